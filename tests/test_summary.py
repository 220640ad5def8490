"""The sentences above the tables count what the rows say."""

from freedarts.tables import Table
from freedarts.tables.summary import in_short

SEARCH = {"supernet": "darts-8", "score": "a", "n": 5, "printed": None, "objective, seed 0": 1.0, "verdict": "5 sound"}


def items(**rows: list[dict]) -> list[str]:
    text = in_short(Table(name, name, "", found) for name, found in rows.items())
    assert text.startswith("## In short\n\n- ")
    return text.removeprefix("## In short\n\n- ").removesuffix("\n").split("\n- ")


def test_nothing():
    assert items() == ["Nothing has run."]


def test_searches():
    found = items(
        search=[
            SEARCH | {"printed": 0.2526, "objective, seed 0": 0.252612},
            SEARCH | {"printed": 0.4065, "objective, seed 0": 0.406562, "verdict": "3 noise, 2 sound"},
            SEARCH | {"score": "b", "n": 2, "verdict": "1 noise, 1 overflow"},
            SEARCH | {"score": "c", "n": 0, "verdict": "not run: no data/imagenet", "objective, seed 0": None},
        ]
    )
    assert found == [
        "Supernets: 1 of 2 objectives that the release printed come out to the last digit.",
        "Audit of 12 searches: 4 noise, 1 overflow, 7 sound.",
        "Rounding noise, so that the selected genotypes say nothing: `a` on `darts-8` (3 of 5) and `b` on `darts-8`"
        " (1 of 2).",
        "Not searched, for want of images: `c` on `darts-8`.",
    ]


def test_agreement_counts_published_sources_alone():
    rows = [
        {"supernet": "darts-8", "source": "published-a", "entries, p": 0.01},
        {"supernet": "darts-20", "source": "published-a", "entries, p": 0.05},
        {"supernet": "darts-20", "source": "random", "entries, p": 0.001},
    ]
    assert items(stability=rows) == [
        "Published genotypes: in 1 of 2 sets the seeds agree no more than random genotypes do (p ≥ 0.05);"
        " in `published-a` on `darts-8` they do."
    ]


def test_correlations_costs_and_numbers():
    found = items(
        correlation=[
            {"score": "synflow", "data set": "CIFAR-10", "ρ": 0.7784},
            {"score": "synflow", "data set": None, "ρ": None},
        ],
        costs=[{"check": check} for check in ("exact", "exact", "flops +3", None, "not recomputable", "no genotype")],
        numbers=[
            {"verdict": "reproduced"},
            {"verdict": "partial (1 of 3 runs); `snakemake`"},
            {"verdict": "not run; `snakemake --config 'numbers=[x]'`"},
            {"verdict": "not run; `snakemake --config 'numbers=[y]'`"},
        ],
        lookups=[{"verdict": "reproduced"}, {"verdict": "not run; no benchmark file"}],
    )
    assert found == [
        "Rank correlation with the accuracy on CIFAR-10: `synflow` ρ = 0.78.",
        "Costs: 2 of 3 rows with published parameters and multiply-adds are exact.",
        "The 4 test errors that the paper prints: 1 reproduced, 1 partial, 2 not run.",
        "The 2 accuracies that the release's NAS-Bench-201 notebooks print: 1 reproduced, 1 not run.",
    ]
