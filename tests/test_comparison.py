"""Differences between sources whose networks were trained alike."""

import random
import statistics

import pytest
from scipy.stats import ttest_ind

from freedarts.study import comparison
from freedarts.tables.comparison import comparison_tables
from freedarts.tables.findings import findings_table
from tests.support import METRICS

ERRORS = {"published": (41.0, 43.5, 40.2), "random": (44.0, 47.1, 45.5, 43.8)}


def trainings(errors: dict[str, tuple[float, ...]]) -> dict[tuple, dict]:
    """One training a genotype."""
    return {
        ("task", "net", source, seed, 0): METRICS
        | {"error_last": error, "parameters": 100 if source == "random" else 150}
        for source, values in errors.items()
        for seed, error in enumerate(values)
    }


def test_difference_of_two_sources_is_that_of_a_t_test():
    (pair,) = comparison.differences(trainings(ERRORS))
    test = ttest_ind(*ERRORS.values())
    assert pair["difference"] == pytest.approx(
        statistics.fmean(ERRORS["published"]) - statistics.fmean(ERRORS["random"])
    )
    assert pair["interval"] == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert (pair["sources"], pair["n"], pair["parameters"]) == (("published", "random"), (3, 4), 1.5)


def test_smallest_difference_is_what_a_t_test_finds_four_times_in_five():
    """By tables: t(0.975, 8) = 2.306, t(0.8, 8) = 0.889; and by trying."""
    smallest = comparison.smallest_difference((5, 5), 1.0, 8)
    assert smallest == pytest.approx((2.306 + 0.889) * (2 / 5) ** 0.5, abs=1e-3)
    draw = random.Random(0)
    found = sum(
        ttest_ind([draw.gauss(smallest, 1) for _ in range(5)], [draw.gauss(0, 1) for _ in range(5)]).pvalue < 0.05
        for _ in range(1000)
    )
    assert found == pytest.approx(800, abs=50)


def test_trainings_of_one_genotype_count_once_and_a_single_genotype_not():
    runs = trainings(ERRORS) | trainings({"single": (9.0,)})
    again = {(*case, 1): metrics | {"error_last": metrics["error_last"] + 1} for (*case, _), metrics in runs.items()}
    once, twice = comparison.differences(runs), comparison.differences(runs | again)
    assert [pair["n"] for pair in twice] == [pair["n"] for pair in once] == [(3, 4)]
    assert twice[0]["spread"] == pytest.approx(once[0]["spread"])
    assert twice[0]["difference"] == pytest.approx(
        statistics.fmean((41, 43.5, 40.2)) - statistics.fmean((44, 47.1, 45.5, 43.8))
    )


def test_table_says_what_was_seen_and_what_could_be():
    (table,) = comparison_tables(comparison.differences(trainings(ERRORS)))
    text = table.markdown()
    pair = comparison.differences(trainings(ERRORS))[0]
    assert f"| {pair['difference']:+.2f} |" in " ".join(text.split())
    assert f"| {pair['smallest']:.2f} |" in " ".join(text.split())
    assert comparison_tables(comparison.differences(trainings({"published": (41.0, 42.0)}))) == []


def test_difference_is_seen_where_its_interval_does_not_hold_zero():
    apart = {"a": (40.0, 41.0), "b": (40.5, 41.5), "c": (60.0, 61.0)}
    (table,) = comparison_tables(comparison.differences(trainings(apart)))
    assert {(row["source"], row["against"]): row["seen"] for row in table.rows} == {
        ("a", "b"): "no",
        ("a", "c"): "yes",
        ("b", "c"): "yes",
    }
    (row,) = (row for row in findings_table([table]).rows)
    assert row["found"].startswith("in 2 of 3 pairs; ")
