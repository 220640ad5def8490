"""The table."""

from freedarts import genotype, tables
from freedarts.genotype import Refused
from freedarts.spaces.nasbench201 import from_index
from freedarts.study import paper
from freedarts.tables.nasbench201 import COLUMNS, DISTRIBUTION, nasbench201_table
from tests.support import ROOT, SCHEMA

PUBLISHED = list(filter(paper.is_lookup, paper.read(ROOT / "resources" / "numbers.yaml", SCHEMA)))
GENOTYPES = {
    ("nasbench201", "synflow"): {0: from_index(5), 1: from_index(7), 2: Refused("nasbench201", "overflow in stem")},
    ("nasbench201", "notebook-snip"): {4: from_index(6818)},
    ("darts-8", "darts-v1"): {
        0: genotype.read(ROOT / "resources" / "genotypes" / "darts-v1" / "darts-8" / "seed0.json")
    },
}


def figure(mean: float, rank: int) -> dict:
    return {"mean": mean, "std": None, "n": 1, "rank": rank, "count": 100, "percentile": 101.0 - rank}


def lookup(*pairs: tuple[float, int]) -> dict:
    """Of CIFAR-10 test alone, (mean, rank) of each seed."""
    empty = dict.fromkeys(COLUMNS)
    other = {"v1_0": {**empty, "cifar10_test": figure(11.0, 90)}}
    seeds = {
        str(seed): {"index": 5, "accuracies": {**other, "v1_1": {**empty, "cifar10_test": figure(*pair)}}}
        for seed, pair in enumerate(pairs)
    }
    distribution = {key: figure(94.0 - rank, rank) for rank, key in enumerate(reversed(DISTRIBUTION.values()), 1)}
    distribution = {**empty, "cifar10_test": distribution}
    return {"version": "v1_1", "distribution": distribution, "seeds": {**seeds, "9": None}}


def test_what_the_release_prints_stands_beside_what_is_looked_up():
    rows = nasbench201_table(GENOTYPES, {case: lookup((90.0, 20)) for case in list(GENOTYPES)[:2]}, PUBLISHED).rows
    assert [(row["source"], row["architectures"], row["n"], row["version"], row["status"]) for row in rows] == [
        ("synflow", "5, 7", 2, "v1_1", "looked up"),
        ("notebook-snip", "6818", 1, "v1_0", "printed by the release"),
        ("notebook-snip", "6818", 1, "v1_1", "looked up"),
        *((name, None, None, "v1_1", "looked up") for name in DISTRIBUTION),
    ]
    assert [rows[1][column].values for column in COLUMNS.values()] == [
        (value,) for value in (88.91, 92.24, 67.18, 68.12, 38.87, 39.63)
    ]


def test_accuracies_are_over_seeds():
    lookups = {case: lookup((90.0, 20), (92.0, 10)) for case in list(GENOTYPES)[:2]}
    table = nasbench201_table(GENOTYPES, lookups, PUBLISHED)
    synflow, printed, snip, *_, best_of_10, optimum = table.rows
    assert synflow["C10 test"].values == snip["C10 test"].values == (90.0, 92.0)
    assert synflow["rank"].values == (20, 10)
    assert synflow["percentile"].values == (81.0, 91.0)
    assert (synflow["C10 valid"], synflow["of"]) == (None, 100)
    assert (printed["C10 test"].values, printed["rank"]) == ((92.24,), None)
    assert (optimum["C10 test"].values, optimum["percentile"].values) == ((93.0,), (100.0,))
    assert (best_of_10["source"], best_of_10["C10 test"].values, best_of_10["of"]) == ("all: best of 10", (92.0,), 100)
    text = table.markdown()
    assert "91.00 ± 1.41" in text
    assert "15 ± 7" in text
    assert "90.0 92.0" in tables.csv([table])


def test_many_architectures_are_cut_short():
    found = {("nasbench201", "random"): {seed: from_index(seed // 2) for seed in range(14)}}
    row = nasbench201_table(found, dict.fromkeys(found, lookup((90.0, 20))), []).rows[0]
    assert (row["architectures"], row["n"]) == ("0, 1, 2, 3, 4, …", 14)


def test_other_spaces_have_no_rows():
    assert nasbench201_table({case: found for case, found in GENOTYPES.items() if "darts-8" in case}, {}, []).rows == []
