"""The search table, and every table's Markdown beside its CSV."""

import csv
import io
import re
import statistics
from itertools import combinations

import pytest

from freedarts import genotype, spaces, tables
from freedarts.genotype import Refused
from freedarts.spaces import nasbench201
from freedarts.study import paper
from freedarts.study.paper import is_lookup, read
from freedarts.tables.costs import cost_table
from freedarts.tables.numbers import numbers_table
from freedarts.tables.searches import search_table
from freedarts.tables.trainings import training_table
from tests.support import ROOT, SCHEMA

CASE = ("nasbench201", "released")
READINGS = {"published": {"runs": 3}, "searched": {"source": "synflow-released", "seeds": 5, "runs": 1}}
OBJECTIVES = [{"supernet": CASE[0], "score": CASE[1], "seed": 0, "objective": 0.25}]
FOUND = {0: nasbench201.from_index(0), 1: nasbench201.from_index(9), 2: nasbench201.from_index(11472)}
METRICS = {"error_last": 2.5, "error_best": 2.25, "top5_error_last": 0.5, "epochs": 600, "parameters": 3000000}
METRICS |= {"images_per_second": 1234.5, "hours": 30.25, "device": "a GPU"}


def result(seed: int, verdict: str = "sound", **audit) -> dict:
    """What a search left: seconds 1, 2, 3 for seeds 0, 1, 2."""
    overflow = verdict == "overflow"
    found = {"largest": 4.0, "largest_second": 5.0, "difference": 0.25 + seed, "agreement": {"cell": 6 - seed}}
    found = dict.fromkeys(found) if overflow else found | audit
    return {
        "space": "nasbench201",
        "proxy": "synflow",
        "objective": None if overflow else 0.2526119,
        "audit": {"verdict": verdict, **found},
        "seconds": seed + 1.0,
        "peak_memory_mb": 1000.4,
    }


def row(searches: dict, genotypes: dict) -> dict:
    (found,) = search_table({CASE: searches}, genotypes, OBJECTIVES).rows
    return found


def test_search_table_counts_verdicts_and_takes_the_worst_difference():
    searches = {0: result(0), 1: result(1, "noise"), 2: result(2, "noise", difference=None)}
    found = row(searches, {CASE: FOUND})
    assert (found["n"], found["verdict"]) == (3, "2 noise, 1 sound")
    assert (found["objective, seed 0"], found["printed"]) == (0.2526119, 0.25)
    assert (found["largest score, seed 0"], found["2nd computation"]) == (4.0, 5.0)
    assert found["largest difference"] == 1.25
    assert found["shared, 2nd computation"] == statistics.fmean((6, 5, 4))
    assert (found["seconds"], found["memory, MB"]) == (2.0, 1000.4)


def test_search_table_counts_what_genotypes_share():
    published = {0: FOUND[0], 2: FOUND[1]}  # none for seed 1
    found = row({seed: result(seed) for seed in FOUND}, {CASE: FOUND, (CASE[0], "published-synflow"): published})

    def shared(first, second) -> int:
        return sum(a == b for a, b in zip(first.operations, second.operations, strict=True))

    assert found["shared, seeds"] == statistics.fmean(shared(*pair) for pair in combinations(FOUND.values(), 2))
    assert found["shared, published"] == (6 + shared(FOUND[2], FOUND[1])) / 2
    assert (found["shared, chance"], found["of"]) == (1.2, 6)


def test_search_that_is_left_out_is_a_row_that_names_the_missing_folder():
    rows = search_table({}, {}, [], [("mobilenet", "synflow-released", "data/imagenet")]).rows
    assert rows == [
        {"supernet": "mobilenet", "score": "synflow-released", "n": 0, "verdict": "not run: no data/imagenet"}
    ]


def test_search_table_of_overflows_alone_claims_nothing():
    refused = {seed: Refused("nasbench201", "overflow in cells.0") for seed in (0, 1)}
    table = search_table({CASE: {seed: result(seed, "overflow") for seed in (0, 1)}}, {CASE: refused}, [])
    (found,) = table.rows
    assert found["verdict"] == "2 overflow"
    empty = {"objective, seed 0", "printed", "largest score, seed 0", "2nd computation", "largest difference", "of"}
    empty |= {"shared, 2nd computation", "shared, seeds", "shared, published"}
    assert {column for column, value in found.items() if value is None} == empty
    assert cells(table)[0]["shared, seeds"] == tables.MISSING


@pytest.mark.parametrize("name", spaces.SPACES)
def test_search_table_knows_every_space(name):
    space = spaces.load(name)
    found = space.derive({group: [[0.0] * len(space.OPERATIONS)] * edges for group, edges in space.GATES.items()})
    agreement = genotype.agreement(found, found)
    one = result(0) | {"space": name, "audit": result(0)["audit"] | {"agreement": agreement}}
    (found,) = search_table({("s", "x"): {0: one}}, {("s", "x"): {0: found}}, []).rows
    assert found["of"] == found["shared, 2nd computation"] == sum(agreement.values())
    assert found["shared, seeds"] is None  # of one seed


def all_tables() -> list[tables.Table]:
    numbers = [number for number in read(ROOT / "resources" / "numbers.yaml", SCHEMA) if not is_lookup(number)]
    case = ("cifar10-c38", "darts-20", "published-synflow", 1)
    trainings = {(*case, run): METRICS | {"error_last": 2.5 + run / 10} for run in range(3)}
    trainings["digits", "darts-8", "darts-v1", 0, 0] = METRICS  # one run has no spread
    figures = {"parameters": 3605518, "parameters_with_auxiliary": 4081944, "flops": 566126218, "macs": 577305792}
    published = {"genotypes": [{"task": "t", "supernet": "s", "source": "x", "seed": 0, **figures}]}
    return [
        numbers_table(
            [paper.so_far(number, READINGS, trainings, {}, {}) for number in numbers],
            {"cifar10-c38": {"trainable": True}},
            {number["id"]: "judged" for number in numbers},
        ),
        search_table({CASE: {0: result(0), 1: result(1, "overflow")}}, {CASE: FOUND}, OBJECTIVES),
        cost_table({("t", "s", "x"): {0: figures, 1: None}}, published | {"ten_seed_means": []}),
        training_table(trainings),
    ]


def cells(table: tables.Table) -> list[dict[str, str]]:
    """The rows of a table's Markdown, as text; its parts joined."""
    joined: list[dict[str, str]] = [{} for _ in table.rows]
    for part in re.findall(r"(?:^\|.*\n)+", table.markdown(), re.MULTILINE):
        header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines())
        for row, shown in zip(joined, rows, strict=True):
            row |= zip(header, shown, strict=True)
    return joined


# Columns of the CSV that the Markdown leaves out.
LEFT_OUT = dict.fromkeys(("search", "retraining"), ()) | {
    "numbers": ("next",),
    "costs": ("parameters, published", "with auxiliary head", "flops", "flops, published", "macs", "macs, published"),
}


@pytest.mark.parametrize("number", range(4), ids=["numbers", "search", "costs", "retraining"])
def test_markdown_shows_the_values_of_the_csv(number):
    made = all_tables()
    table, printed = made[number], cells(made[number])
    rows = [line for line in csv.DictReader(io.StringIO(tables.csv(made))) if line["table"] == table.name]
    assert len(printed) == len(table.rows)
    assert len(rows) == sum(len(row) for row in table.rows)
    for line in rows:
        if line["column"] in LEFT_OUT[table.name]:
            continue
        text = printed[int(line["row"]) - 1][line["column"]]
        if line["value"] == "":
            assert text == tables.MISSING
            continue
        values = [*map(number_or_none, line["value"].split())] if line["column"] in table.formats else [None]
        if None in values:
            assert text == line["value"]
        else:
            shown = number_or_none(text.split(" ± ")[0].replace(",", ""))
            assert shown == pytest.approx(statistics.fmean(values), rel=0.05)
            assert ("±" in text) == (len(values) > 1)
            assert len(values) == 1 or float(text.split(" ± ")[1]) == round(statistics.stdev(values), 2)


def number_or_none(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def test_nothing_selected_is_said():
    table = training_table({})
    assert "Nothing selected." in table.markdown()
    assert tables.csv([table]) == "table,row,column,value\n"
