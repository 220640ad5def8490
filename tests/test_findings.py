"""The first table counts what the rows of the others say."""

import re

from freedarts.tables import Sample, Table
from freedarts.tables.findings import findings_table, key_figures

SEARCH = {"supernet": "darts-8", "score": "a", "n": 5, "printed": None, "objective, seed 0": 1.0, "verdict": "5 sound"}


def said(**rows: list[dict]) -> list[str]:
    made = findings_table(Table(name, f"of {name}", "", found) for name, found in rows.items()).rows
    return [f"{row['claim']}: {row['found']} ({row['n']}, {row['where']})" for row in made]


def assert_say(lines: list[str], *patterns: str) -> None:
    """A line for each, in this order."""
    assert len(lines) == len(patterns)
    assert [pattern for line, pattern in zip(lines, patterns, strict=True) if not re.search(pattern, line)] == []


def test_nothing():
    assert said() == said(search=[], again=[], numbers=[], correlation=[]) == []


def test_searches():
    rows = [
        SEARCH | {"printed": 0.2526, "objective, seed 0": 0.252612},
        SEARCH | {"printed": 0.4065, "objective, seed 0": 0.406562, "verdict": "3 noise, 2 sound"},
        SEARCH | {"score": "b", "n": 2, "verdict": "1 noise, 1 overflow"},
        SEARCH | {"score": "c", "n": 0, "verdict": "not run: no data/imagenet", "objective, seed 0": None},
    ]
    assert_say(
        said(search=rows), r"1 of 2 printed objectives of seed 0 exact; 4 noise, 1 overflow, 7 sound \(12, of search\)"
    )
    assert_say(said(search=rows[2:]), r": 1 noise, 1 overflow \(2")


def test_searches_that_are_found_again_and_those_that_are_not():
    row = {"supernet": "darts-8", "n": 5, "whole": 5, "shared": 16.0, "of": 16, "same gates": 2.4, "verdict": "5 sound"}
    small = {**row, "supernet": "nasbench201", "n": 1, "whole": 1, "shared": 6, "of": 6}
    found = said(
        again=[
            {**row, "score": "a"},
            {**row, "score": "b", "whole": 1, "shared": 4.0, "verdict": "4 noise, 1 sound"},
            {**row, "score": "c", "n": 0, "shared": None},
            {**small, "score": "a"},
            {**row, "score": "d", "n": 1, "whole": 0, "shared": 8.0},
        ]
    )
    assert_say(
        found,
        r"`a` comes out again: yes, every entry \(6,",
        r"`b` .*: no: 25% of entries \(chance 15%\), noise in 4 of 5 \(5,",
        r"`d` .*: no: 50% of entries \(chance 15%\) \(1,",
    )


def test_agreement_counts_published_sources_alone():
    rows = [
        {"supernet": "darts-8", "source": "published-a", "entries, p": 0.01},
        {"supernet": "darts-20", "source": "published-a", "entries, p": 0.05},
        {"supernet": "darts-20", "source": "random", "entries, p": 0.001},
    ]
    assert_say(said(stability=rows), r"more than chance in 1 of 2 sets \(2,")


def test_replays_count_first_steps_and_name_what_was_followed():
    rows = [
        {"log": "x", "first step": "equal", "verdict": "followed to step 50"},
        {"log": "y", "first step": "differs", "verdict": "first step differs"},
    ]
    assert_say(said(replays=rows), r"first loss equal in 1 of 2; `x` followed to step 50 \(2,")


def test_correlations_costs_and_numbers():
    def rated(score: str, rho: tuple | None, rates: str = "architectures", dataset: str = "CIFAR-10") -> dict:
        return {"score": score, "rates": rates, "data set": dataset, "ρ": rho and Sample(rho)}

    found = said(
        correlation=[
            rated("flops", (0.7506,)),
            rated("synflow", (0.7784,)),
            rated("parameters", (0.75,)),
            rated("parameters", (0.1,), dataset="CIFAR-100"),
            rated("none", None),
            rated("worse", (0.5, 0.7)),
            rated("best", (0.9,), rates="operations of n"),
        ],
        costs=[{"check": check} for check in ("exact", "exact", "flops +3", None, "cannot tell", "no genotype")],
        numbers=[
            {"verdict": "reproduced", "evidence here": "judged"},
            {"verdict": "partial (1 of 3 runs); `snakemake`", "evidence here": "trained 1 of 3"},
            {"verdict": "not run; `snakemake --config 'numbers=[x]'`", "evidence here": "costs exact"},
            {"verdict": "not run; `snakemake --config 'numbers=[y]'`", "evidence here": "the paper alone"},
        ],
        lookups=[{"verdict": "reproduced"}, *[{"verdict": "needs the v1_0 file"}] * 2],
    )
    assert_say(
        found,
        r"2 of 3 rows exact; 1 more cannot be told \(3,",
        r": 1 reproduced, 1 partial, 2 not run; 1 judged, 1 trained 1 of 3, 1 costs exact \(4,",
        r": 1 reproduced, 2 need the v1_0 file \(3,",
        r"ρ with accuracy: `synflow` 0.78, `parameters` 0.75 \(4,",
    )


def test_key_figures_count_what_has_run():
    rows = {
        "search": [SEARCH, SEARCH | {"verdict": "3 noise, 2 sound"}, SEARCH | {"n": 0, "verdict": "not run: no data"}],
        "again": [{"n": 5, "whole": 5}, {"n": 5, "whole": 4}, {"n": 0, "whole": 0}],
        "costs": [{"check": check} for check in ("exact", "flops +3", None, "cannot tell", "no genotype")],
        "numbers": [{"verdict": "not run"}, {"verdict": "reproduced"}, {"verdict": "not reproduced"}],
    }
    shown = key_figures(Table(name, name, "", of) for name, of in rows.items())
    assert [value for value, _ in shown] == ["3 of 10", "9 of 10", "1 of 2", "1 of 3"]
    assert key_figures([]) == []
