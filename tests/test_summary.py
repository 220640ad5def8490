"""The sentences above the tables count what the rows say."""

import re

from freedarts.tables import Sample, Table
from freedarts.tables.summary import in_short, key_figures

SEARCH = {"supernet": "darts-8", "score": "a", "n": 5, "printed": None, "objective, seed 0": 1.0, "verdict": "5 sound"}


def items(**rows: list[dict]) -> list[str]:
    return in_short(Table(name, name, "", found) for name, found in rows.items())


def assert_say(lines: list[str], *patterns: str) -> None:
    """A line for each, in this order."""
    assert len(lines) == len(patterns)
    assert [pattern for line, pattern in zip(lines, patterns, strict=True) if not re.search(pattern, line)] == []


def test_nothing():
    assert items() == ["Nothing has run."]
    assert key_figures([]) == []


def test_key_figures_count_what_the_sentences_count():
    rows = {
        "search": [
            SEARCH | {"printed": 0.2526, "objective, seed 0": 0.252612},
            SEARCH | {"printed": 0.4065, "objective, seed 0": 0.406562, "verdict": "3 noise, 2 sound"},
            SEARCH | {"n": 0, "verdict": "not run: no data/imagenet", "objective, seed 0": None},
        ],
        "again": [{"n": 5, "whole": 5}, {"n": 5, "whole": 4}, {"n": 0, "whole": 0}],
        "costs": [{"check": check} for check in ("exact", "flops +3", None, "cannot tell", "no genotype")],
        "numbers": [{"verdict": "not run"}, {"verdict": "reproduced"}, {"verdict": "not reproduced"}],
    }
    found = key_figures(Table(name, name, "", of) for name, of in rows.items())
    assert [value for value, _ in found] == ["1 of 2", "3 of 10", "1 of 2", "1 of 2", "1 of 3"]


def test_searches():
    found = items(
        search=[
            SEARCH | {"printed": 0.2526, "objective, seed 0": 0.252612},
            SEARCH | {"printed": 0.4065, "objective, seed 0": 0.406562, "verdict": "3 noise, 2 sound"},
            SEARCH | {"score": "b", "n": 2, "verdict": "1 noise, 1 overflow"},
            SEARCH | {"score": "c", "n": 0, "verdict": "not run: no data/imagenet", "objective, seed 0": None},
        ]
    )
    assert_say(
        found,
        "1 of 2 objectives",
        "12 searches: 4 noise, 1 overflow, 7 sound",
        r"noise.*: `a` on `darts-8` \(3 of 5\) and `b` on `darts-8` \(1 of 2\)",
        "Not searched.*: `c` on `darts-8`",
    )


def test_searches_that_are_found_again_and_those_that_are_not():
    row = {"supernet": "darts-8", "n": 5, "whole": 5, "shared": 16.0, "of": 16}
    found = items(
        again=[
            {**row, "score": "a"},
            {**row, "score": "b", "whole": 0, "shared": 6.4},
            {**row, "score": "c", "n": 0, "shared": None},
        ]
    )
    assert_say(found, "found again .* all 5: `a` on `darts-8`", r"Not found again.*: `b` on `darts-8` \(6.4 of 16\)")


def test_agreement_counts_published_sources_alone():
    rows = [
        {"supernet": "darts-8", "source": "published-a", "entries, p": 0.01},
        {"supernet": "darts-20", "source": "published-a", "entries, p": 0.05},
        {"supernet": "darts-20", "source": "random", "entries, p": 0.001},
    ]
    assert_say(items(stability=rows), "1 of 2 sets .* no more than random .*; in `published-a` on `darts-8` they do")


def test_correlations_costs_and_numbers():
    found = items(
        correlation=[
            {"score": "synflow", "rates": "architectures", "data set": "CIFAR-10", "ρ": Sample((0.7784,))},
            {"score": "flops", "rates": "architectures", "data set": "CIFAR-10", "ρ": Sample((0.7506,))},
            {"score": "flops", "rates": "architectures", "data set": "CIFAR-100", "ρ": Sample((0.1,))},
            {"score": "none", "rates": "architectures", "data set": "CIFAR-10", "ρ": None},
            {"score": "synflow", "rates": "operations of n", "data set": "CIFAR-10", "ρ": Sample((0.5, 0.7))},
        ],
        costs=[{"check": check} for check in ("exact", "exact", "flops +3", None, "cannot tell", "no genotype")],
        numbers=[
            {"verdict": "reproduced", "evidence here": "judged"},
            {"verdict": "partial (1 of 3 runs); `snakemake`", "evidence here": "trained 1 of 3"},
            {"verdict": "not run", "evidence here": "costs exact"},
            {"verdict": "not run", "evidence here": "costs exact"},
        ],
        lookups=[{"verdict": "reproduced"}, {"verdict": "needs the v1_0 file"}],
    )
    assert_say(
        found,
        "scores of architectures with the test accuracy on CIFAR-10: `synflow` 0.78 and `flops` 0.75",
        "scores of operations with the test accuracy on CIFAR-10: `synflow` 0.60",
        "Costs: 2 of 3 rows .* exact",
        "4 test errors .*: 1 reproduced, 1 partial, 2 not run",
        "evidence .* reaches: 1 judged, 1 trained 1 of 3, 2 costs exact",
        "2 accuracies .*: 1 reproduced, 1 needs the v1_0 file",
    )
