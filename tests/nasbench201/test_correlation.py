"""Rank correlation of scores with accuracies, and the table of them."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from freedarts import tables
from freedarts.architectures import ratings
from freedarts.architectures.correlation import correlation
from freedarts.nasbench201 import ACCURACIES, SIZE, accuracy, packaged
from freedarts.spaces.nasbench201 import OPERATIONS, Genotype, derive, from_index
from freedarts.study import kinds
from freedarts.study.catalogue import OWN_SAMPLE, Catalogue
from freedarts.study.paths import ARCHITECTURE_SCORES, CORRELATION, RANKING
from freedarts.study.settings import read_yaml
from freedarts.tables.correlation import NO_RANKS, NO_SCORES, correlation_table
from tests.nasbench201 import file as generated
from tests.nasbench201.file import convert
from tests.support import ROOT, SCHEMA, SEARCH_RESULT, assert_refused, write

OWN = str(ROOT / "examples" / "fisher.py")


def test_correlation_against_pandas():
    rng = np.random.default_rng(0)
    accuracies = rng.normal(size=200).round(1)  # with ties
    values = accuracies + rng.normal(size=200)
    values[:3], accuracies[3:5] = np.nan, np.nan
    found = correlation(values, accuracies)
    frame = pd.DataFrame({"score": values, "accuracy": accuracies}).dropna()
    assert found["n"] == 195
    for method in ("spearman", "kendall"):
        assert found[method] == pytest.approx(frame.corr(method=method).iloc[0, 1])
        low, high = found[f"{method}_interval"]
        assert low < found[method] < high
    best = frame[frame.accuracy >= frame.accuracy.quantile(0.9)]
    assert found["spearman_best"] == pytest.approx(best.corr(method="spearman").iloc[0, 1])
    assert found["top"] == frame.accuracy[frame.score.idxmax()]


def test_interval_covers_the_correlation_of_all():
    """Samples of 100 from a population of the benchmark's size, whose correlation is known."""
    rng = np.random.default_rng(1)
    accuracies = rng.normal(size=SIZE)
    values = accuracies + rng.normal(size=SIZE)
    whole = correlation(values, accuracies)
    assert (whole["spearman_interval"], whole["kendall_interval"]) == (None, None)
    inside = {"spearman": 0, "kendall": 0}
    for _ in range(300):
        chosen = rng.choice(SIZE, 100, replace=False)
        found = correlation(values[chosen], accuracies[chosen])
        for method in inside:
            low, high = found[f"{method}_interval"]
            inside[method] += low <= whole[method] <= high
    assert all(275 <= count <= 295 for count in inside.values()), inside  # expected 285, standard deviation 3.8


def test_nothing_to_correlate():
    some = np.arange(6.0)
    assert correlation(some, np.full(6, np.nan)) is None
    assert correlation(np.ones(6), some) is None
    assert correlation(some[:4], some[:4]) is None
    assert correlation(some, some)["spearman_interval"] is None


@pytest.fixture
def table(tmp_path):
    """Six architectures with CIFAR-10 test accuracies alone."""
    generated.write_legacy(tmp_path / "b.pth", generated.from_accuracies({3 * n: 10.0 + n for n in range(6)}))
    return convert(tmp_path / "b.pth", tmp_path)[1]


def correlate(script, table, indices: list[int], values: list[float | None]) -> tuple[int, str]:
    content = {"score": "s", "seed": 0, "architectures": indices, "scores": values}
    path = write(table.with_name("s.json"), content)
    return script("correlate", "--scores", path, "--table", table, "--output", "out/c.json")


def test_script_joins_by_index_and_leaves_out_what_has_no_score(script, table):
    assert correlate(script, table, [15, 12, 9, 6, 3, 0, 1], [6.0, 4.0, 5.0, 3.0, 2.0, None, 9.0]) == (0, "")
    found = json.loads((table.parent / "out" / "c.json").read_text())
    assert set(found["accuracies"]) == set(ACCURACIES)
    cifar10 = found["accuracies"].pop("cifar10_test")
    assert (cifar10["n"], cifar10["top"], cifar10["best"]) == (5, 15.0, 15.0)
    assert cifar10["spearman"] == pytest.approx(0.9)
    assert cifar10["kendall"] == pytest.approx(0.8)
    assert set(found["accuracies"].values()) == {None}


def test_script_names_what_is_wrong_with_the_scores(script, table):
    assert_refused(correlate(script, table, [1, 2], [1.0, 2.0]), "s.json: none of its architectures has a score and is")
    assert_refused(correlate(script, table, [1, 2], [1.0]), "s.json: 2 architectures and 1 scores")


def of_noise(seed: int) -> dict:
    """Correlations with the CIFAR-10 test accuracy alone."""
    rng = np.random.default_rng(seed)
    return {**dict.fromkeys(ACCURACIES), "cifar10_test": correlation(rng.normal(size=50), rng.normal(size=50))}


def test_table_has_a_row_for_each_data_set():
    found = {"version": "v1_1", "accuracies": of_noise(0)}
    figures = found["accuracies"]["cifar10_test"]
    made = correlation_table({("synflow", 50, 0): found}, {})
    cifar10, cifar100, imagenet16 = made.rows
    assert (cifar10["data set"], cifar10["rates"], cifar10["version"]) == ("CIFAR-10", "architectures", "v1_1")
    assert (cifar10["ρ"].values, cifar10["τ"].values) == ((figures["spearman"],), (figures["kendall"],))
    assert (cifar100["ρ"], cifar100["status"], imagenet16["status"]) == (None, NO_RANKS, NO_RANKS)
    text = made.markdown()
    assert "{:.3f} to {:.3f}".format(*figures["spearman_interval"]) in text
    assert str(figures["kendall"]) in tables.csv([made])


def test_table_has_the_mean_over_the_seeds_of_a_search():
    seeds = {0: of_noise(0), 1: None, 2: of_noise(2)}
    found = {"version": "v1_1", "architectures": SIZE, "seeds": seeds}
    rankings = {("nasbench201", "s"): found, ("tiny", "t"): found | {"seeds": {3: None}}}
    row, *_, without = correlation_table({}, rankings).rows
    assert (row["rates"], row["seeds"], row["architectures"]) == ("operations of nasbench201", "0 to 2", SIZE)
    assert row["ρ"].values == tuple(seeds[seed]["cifar10_test"]["spearman"] for seed in (0, 2))
    assert (row["ρ, 95 %"], row["status"]) == (None, "run")
    assert (without["seeds"], without["ρ"], without["status"]) == ("3", None, NO_SCORES)


def test_ratings_are_the_sums_over_the_operations_of_an_architecture():
    """The highest is that of the architecture which the search derives."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(6, 5)).tolist()
    found = ratings.ratings(scores)
    assert found.shape == (SIZE,)
    for index in (0, 1462, 15_624):
        operations = map(OPERATIONS.index, from_index(index).operations)
        assert found[index] == pytest.approx(sum(row[place] for row, place in zip(scores, operations, strict=True)))
    assert found.argmax() == derive({"cell": scores}).index


def test_search_s_scores_are_correlated_by_seed(script, tmp_path):
    rows = [[0.0, 1.0, 2.0, 3.0, 1.5]] * 6
    overflow = {"scores": None, "audit": {"verdict": "overflow", "overflow": "stem"}}
    for seed, change in enumerate(({"scores": {"cell": rows}}, overflow, {"space": "darts"})):
        write(tmp_path / f"{seed}.json", SEARCH_RESULT | {"seed": seed} | change)
    assert script("correlate_search", "--output", "found.json", "0.json", "1.json") == (0, "")
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["version"], found["architectures"], found["seeds"]["1"]) == ("v1_1", SIZE, None)
    cifar10 = found["seeds"]["0"]["cifar10_test"]
    expected = spearmanr(ratings.ratings(rows), packaged.accuracies("v1_1")["cifar10_test"]).statistic
    assert (cifar10["n"], cifar10["spearman"]) == (SIZE, pytest.approx(expected))
    largest = Genotype(("nor_conv_3x3",) * 6)
    assert cifar10["top"] == accuracy(largest)
    assert_refused(script("correlate_search", "--output", "out/x.json", "2.json"), "2.json: scores: has ['cell']")


def test_own_architecture_score_is_compared_without_an_entry(config):
    chosen = [{"scores": ["flops"], "architectures": 50, "seeds": 1}]
    config["architecture_scores"]["own"] = config["architecture_scores"]["snip-digits"] | {"proxy": OWN}
    entry = {"scores": ["own"], "architectures": 30, "seeds": 2}
    for entries, cases in (
        (chosen, [("flops", 50, 0), ("own", OWN_SAMPLE["architectures"], 0)]),
        ([*chosen, entry], [("flops", 50, 0), ("own", 30, 0), ("own", 30, 1)]),
        ([], []),
    ):
        assert Catalogue(config | {"correlation": entries}, ROOT).correlations() == cases
    described = read_yaml(SCHEMA)["properties"]["correlation"]["description"]
    assert f"on {OWN_SAMPLE['architectures']} architectures with seed 0" in described


def test_selection_names_the_files_that_there_can_be(config):
    config["correlation"] = [
        {"scores": ["flops", "synflow"], "architectures": 50, "seeds": 2},
        {"scores": ["flops"], "architectures": 50, "seeds": 1},
    ]
    cases = [("flops", 0), ("flops", 1), ("synflow", 0), ("synflow", 1)]
    config["scores"]["own"] = {"settings": config["scores"]["snip-digits-b8"]["settings"] | {"proxy": OWN}}
    config["search"] = [{"supernets": ["nasbench201", "darts-8"], "scores": ["synflow", "own"], "seeds": 2}]
    config["costs"] = config["retrain"] = []
    found = list(kinds.files(kinds.selection(Catalogue(config, ROOT))))
    assert [path for path in found if path.startswith(RANKING.partition("{")[0])] == [
        RANKING.format(supernet="nasbench201", score=score) for score in ("synflow", "own")
    ]
    for pattern in (ARCHITECTURE_SCORES, CORRELATION):
        expected = [pattern.format(score=name, architectures=50, seed=seed) for name, seed in cases]
        assert [path for path in found if path.startswith(pattern.partition("{")[0])] == expected
