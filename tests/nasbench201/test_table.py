"""The table: with and without a benchmark."""

from freedarts import genotype, tables
from freedarts.genotype import Refused
from freedarts.spaces.nasbench201 import from_index
from freedarts.study import paper
from freedarts.tables.nasbench201 import COLUMNS, NO_FILE, nasbench201_table
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
    seeds = {str(seed): {**empty, "cifar10_test": figure(*pair)} for seed, pair in enumerate(pairs)}
    return {"best": {**empty, "cifar10_test": figure(94.0, 1)}, "seeds": {**seeds, "9": None}}


def test_without_a_benchmark_the_rows_say_what_to_do():
    rows = nasbench201_table(GENOTYPES, {}, PUBLISHED).rows
    assert [(row["source"], row["architectures"], row["n"], row["status"]) for row in rows] == [
        ("synflow", "5, 7", 2, NO_FILE),
        ("notebook-snip", "6818", 1, "printed by the release"),
        ("optimum", None, None, NO_FILE),
    ]
    assert [rows[1][column].values for column in COLUMNS.values()] == [
        (value,) for value in (88.91, 92.24, 67.18, 68.12, 38.87, 39.63)
    ]
    assert {rows[0][column] for column in COLUMNS.values()} == {None}


def test_with_a_benchmark_the_figures_are_over_seeds():
    lookups = {case: lookup((90.0, 20), (92.0, 10)) for case in list(GENOTYPES)[:2]}
    table = nasbench201_table(GENOTYPES, lookups, PUBLISHED)
    synflow, printed, snip, optimum = table.rows
    assert synflow["C10 test"].values == snip["C10 test"].values == (90.0, 92.0)
    assert synflow["rank"].values == (20, 10)
    assert synflow["percentile"].values == (81.0, 91.0)
    assert (synflow["C10 valid"], synflow["of"], synflow["status"]) == (None, 100, "looked up")
    assert (printed["C10 test"].values, printed["rank"]) == ((92.24,), None)
    assert (optimum["C10 test"].values, optimum["percentile"].values) == ((94.0,), (100.0,))
    text = table.markdown()
    assert "91.00 ± 1.41" in text
    assert "15 ± 7" in text
    assert "90.0 92.0" in tables.csv([table])


def test_many_architectures_are_cut_short():
    found = {("nasbench201", "random"): {seed: from_index(seed // 2) for seed in range(14)}}
    row = nasbench201_table(found, {}, []).rows[0]
    assert (row["architectures"], row["n"]) == ("0, 1, 2, 3, 4, …", 14)


def test_other_spaces_have_no_rows():
    assert nasbench201_table({case: found for case, found in GENOTYPES.items() if "darts-8" in case}, {}, []).rows == []
