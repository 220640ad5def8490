"""Rank correlation of scores with accuracies, and the table of them."""

import json

import numpy as np
import pandas as pd
import pytest

from freedarts import tables
from freedarts.architectures.correlation import correlation
from freedarts.nasbench201 import ACCURACIES, SIZE
from freedarts.study import kinds
from freedarts.study.catalogue import Catalogue
from freedarts.study.paths import ARCHITECTURE_SCORES, CORRELATION
from freedarts.tables.correlation import NO_ACCURACIES, correlation_table
from tests.nasbench201 import file as generated
from tests.nasbench201.file import convert
from tests.support import ROOT, assert_refused, write


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


def test_table_has_a_row_for_each_data_set():
    rng = np.random.default_rng(0)
    figures = correlation(rng.normal(size=50), rng.normal(size=50))
    found = {"accuracies": {**dict.fromkeys(ACCURACIES), "cifar10_test": figures}}
    made = correlation_table({("synflow", 50, 0): found})
    cifar10, cifar100, imagenet16 = made.rows
    assert (cifar10["data set"], cifar10["ρ"], cifar10["τ"]) == ("CIFAR-10", figures["spearman"], figures["kendall"])
    assert (cifar100["ρ"], cifar100["status"], imagenet16["status"]) == (None, NO_ACCURACIES, NO_ACCURACIES)
    text = made.markdown()
    assert "{:.3f} to {:.3f}".format(*figures["spearman_interval"]) in text
    assert str(figures["kendall"]) in tables.csv([made])


def test_selection_names_the_files_that_there_can_be(config):
    config["correlation"] = [
        {"scores": ["flops", "synflow"], "architectures": 50, "seeds": 2},
        {"scores": ["flops"], "architectures": 50, "seeds": 1},
    ]
    cases = [("flops", 0), ("flops", 1), ("synflow", 0), ("synflow", 1)]
    found = list(kinds.files(kinds.selection(Catalogue(config, ROOT))))
    for pattern in (ARCHITECTURE_SCORES, CORRELATION):
        expected = [pattern.format(score=name, architectures=50, seed=seed) for name, seed in cases]
        assert [path for path in found if path.startswith(pattern.partition("{")[0])] == expected
