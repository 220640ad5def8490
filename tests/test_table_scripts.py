"""The scripts of the tables and of the README, as commands."""

import csv
import json
from pathlib import Path

import pytest

from freedarts.spaces import nasbench201
from freedarts.study.paths import ARCHITECTURE_SCORES, CORRELATION, COST, GENOTYPE, LOOKUP, METRICS, SEARCH
from freedarts.tables import nasbench201 as nasbench201_table
from tests.conftest import ROOT, SEARCH_RESULT, assert_refused, options, write

METRICS_VALUE = {
    "error_last": 5.0,
    "error_best": 4.0,
    "top5_error_last": 0.5,
    "epochs": 8,
    "parameters": 1000,
    "images_per_second": 100.0,
    "hours": 0.5,
    "device": "cpu",
}
FIGURES = {"parameters": 10, "parameters_with_auxiliary": 12, "flops": 20, "macs": 30}
LOOKUP_VALUE = {
    "best": dict.fromkeys(nasbench201_table.COLUMNS),
    "seeds": {"0": {"index": 5, **dict.fromkeys(nasbench201_table.COLUMNS)}},
}
TABLES = {
    "results": {
        "searches": [["nasbench201", "synflow", [0]]],
        "genotypes": [["nasbench201", "synflow", [0]]],
        "costs": [["t", "nasbench201", "synflow"]],
        "lookups": [["nasbench201", "synflow"]],
        "architecture_scores": [["synflow", 50, 0]],
        "correlations": [["synflow", 50, 0]],
        "trainings": [["t", "nasbench201", "synflow", 0, 0]],
        "readings": [],
        "numbers": [],
    },
    "searches": [["nasbench201", "synflow", [0]]],
    "left_out": [],
    "sources": [],
    "benchmark": True,
    "readings": {"published": {"runs": 3}, "searched": {"source": "synflow", "seeds": 5, "runs": 1}},
    "tasks": {"t": {"trainable": True}},
}
NAMES = {
    "supernet": "nasbench201",
    "score": "synflow",
    "source": "synflow",
    "task": "t",
    "seed": 0,
    "run": 0,
    "architectures": 50,
}


@pytest.fixture
def results(tmp_path) -> Path:
    found = nasbench201.derive(SEARCH_RESULT["scores"]).to_json()
    contents = {
        SEARCH: SEARCH_RESULT,
        GENOTYPE: found,
        COST: {"seeds": {"0": FIGURES}},
        METRICS: METRICS_VALUE,
        LOOKUP: LOOKUP_VALUE,
        ARCHITECTURE_SCORES: {"architectures": [], "scores": []},
        CORRELATION: {"accuracies": dict.fromkeys(nasbench201_table.COLUMNS)},
    }
    for pattern, content in contents.items():
        write(tmp_path / pattern.format(**NAMES), content)
    return tmp_path


def tables(script, settings: str = json.dumps(TABLES), **changes) -> tuple[int, str]:
    resources = ROOT / "resources"
    given = {"--numbers": "numbers.yaml", "--objectives": "objectives.yaml", "--published-costs": "costs.yaml"}
    given = {option: resources / name for option, name in given.items()} | {"--output": "out/tables.md"} | changes
    return script("tables", "--settings", settings, *options(given))


def test_tables_of_good_results(script, results):
    assert tables(script) == (0, "")
    rows = list(csv.DictReader((results / "out" / "tables.csv").open()))
    assert {row["table"] for row in rows} == {
        *("paper", "numbers", "search", "nasbench201", "lookups", "correlation", "costs", "retraining", "provenance")
    }
    assert ("retraining", "error, last epoch", "5.0") in {(row["table"], row["column"], row["value"]) for row in rows}
    text = (results / "out" / "tables.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert text.count("\n## ") == 11


@pytest.mark.parametrize(
    ("pattern", "content", "message"),
    [
        (SEARCH, None, "no such file"),
        (SEARCH, "{", "not valid JSON"),
        (SEARCH, {"space": "nasbench201"}, "no key 'proxy', 'objective', 'audit'"),
        (GENOTYPE, {"space": "nasbench201", "arch": "|"}, "arch: '|' is not of the form"),
        (COST, "[]", "holds a list, expected an object"),
        (LOOKUP, {"best": {}}, "no key 'seeds'"),
        (CORRELATION, {}, "no key 'accuracies'"),
        (METRICS, {"error_last": 5.0}, "no key 'error_best'"),
    ],
)
def test_tables_name_the_result_that_is_wrong(script, results, pattern, content, message):
    path = results / pattern.format(**NAMES)
    path.unlink()
    if content is not None:
        write(path, content)
    assert_refused(tables(script), f"error: {path.relative_to(results)}: {message}")


def test_tables_name_what_is_wrong_in_their_other_inputs(script, results):
    assert_refused(tables(script, '{"searches": []}'), "--settings: holds ['searches'], expected the keys")
    assert_refused(tables(script, **{"--numbers": "none.yaml"}), "'none.yaml'")
    write(results / "bad.yaml", "a: [")
    assert_refused(tables(script, **{"--objectives": "bad.yaml"}), "bad.yaml: not valid YAML")


def test_readme_takes_the_tables_between_its_markers(script, results):
    readme = write(results / "README.md", "before\n<!-- results: by make -->\nstale\n<!-- results end -->\nafter\n")
    arguments = ("--tables", "out/tables.md", "--readme", readme, "--output", "new/README.md")
    assert tables(script) == (0, "")
    assert script("readme", *arguments) == (0, "")
    text = (results / "new" / "README.md").read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- results: by make -->\n")
    assert text.endswith("<!-- results end -->\nafter\n")
    assert "stale" not in text
    assert text.count("\n### ") == 4


@pytest.mark.parametrize(
    ("tables_text", "readme_text", "message"),
    [
        ("# x\n", "<!-- results -->\n<!-- results end -->\n", "tables.md: no section 'In short'"),
        (
            "# x\n\n## In short\n\n## Searches\n\n## The numbers that the paper prints\n\n## Retraining\n",
            "no markers\n",
            "README.md: expected one pair of markers",
        ),
    ],
)
def test_readme_names_what_is_missing(script, tables_text, readme_text, message):
    write(Path("tables.md"), tables_text)
    write(Path("README.md"), readme_text)
    given = ("--tables", "tables.md", "--readme", "README.md", "--output", "out/README.md")
    assert_refused(script("readme", *given), message)
