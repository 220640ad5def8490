"""The scripts of the tables and of the README, as commands."""

import csv
import json
import re
from pathlib import Path

import pytest

from freedarts.study.paths import CORRELATION, COST, GENOTYPE, LOOKUP, METRICS, SEARCH
from tests.support import NAMES, TABLE_SETTINGS, assert_refused, call_tables, write


def test_tables_of_good_results(script, results):
    assert call_tables(script) == (0, "")
    rows = list(csv.DictReader((results / "out" / "tables.csv").open()))
    assert {row["table"] for row in rows} == {
        *("paper", "numbers", "search", "nasbench201", "lookups", "correlation", "costs", "retraining", "provenance"),
        *("findings", "again", "replays", "replayed_steps"),
    }
    assert ("retraining", "error, last epoch", "5.0") in {(row["table"], row["column"], row["value"]) for row in rows}
    text = (results / "out" / "tables.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert text.count("\n## ") == 14


def test_tables_of_a_named_configuration_show_what_it_selects(script, results):
    selected = {**TABLE_SETTINGS, "name": "mine", "results": {**TABLE_SETTINGS["results"], "trainings": []}}
    assert call_tables(script, json.dumps(selected)) == (0, "")
    text = (results / "out" / "tables.md").read_text(encoding="utf-8")
    assert text.startswith("# mine\n")
    assert {"Searches", "What was found"} <= set(re.findall("^## (.+)$", text, re.MULTILINE))
    assert not re.findall("^## (?:As in the paper|The numbers that|Retraining)", text, re.MULTILINE)
    assert "Nothing selected." not in text


@pytest.mark.parametrize(
    ("pattern", "content", "message"),
    [
        (SEARCH, None, "no such file"),
        (SEARCH, "{", "not valid JSON"),
        (SEARCH, {"space": "nasbench201"}, "no key 'proxy', 'objective', 'audit'"),
        (GENOTYPE, {"space": "nasbench201", "arch": "|"}, "arch: '|' is not of the form"),
        (COST, "[]", "holds a list, expected an object"),
        (LOOKUP, {"version": "v1_1", "distribution": {}}, "no key 'seeds'"),
        (CORRELATION, {}, "no key 'version', 'accuracies'"),
        (METRICS, {"error_last": 5.0}, "no key 'error_best'"),
    ],
)
def test_tables_name_the_result_that_is_wrong(script, results, pattern, content, message):
    path = results / pattern.format(**NAMES)
    path.unlink()
    if content is not None:
        write(path, content)
    assert_refused(call_tables(script), f"error: {path.relative_to(results)}: {message}")


def test_tables_name_what_is_wrong_in_their_other_inputs(script, results):
    assert_refused(call_tables(script, '{"searches": []}'), "--settings: holds ['searches'], expected the keys")
    assert_refused(call_tables(script, **{"--numbers": "none.yaml"}), "none.yaml: no such file")
    write(results / "bad.yaml", "a: [")
    assert_refused(call_tables(script, **{"--objectives": "bad.yaml"}), "bad.yaml: not valid YAML")


@pytest.mark.parametrize("text", ["x\n", 'table,row,column,value\nagain,1,score,"cut sh'])
def test_kept_tables_that_are_damaged_are_named(script, results, text):
    write(results / "kept.csv", text)
    assert_refused(call_tables(script, **{"--kept-tables": "kept.csv"}), "kept.csv: not as tables.csv holds")


def test_readme_takes_what_was_found_between_its_markers(script, results):
    readme = write(results / "README.md", "before\n<!-- findings: by make -->\nstale\n<!-- findings end -->\nafter\n")
    arguments = ("--tables", "out/tables.md", "--kept", "docs/t.md", "--readme", readme, "--output", "new/README.md")
    assert call_tables(script) == (0, "")
    assert script("readme", *arguments) == (0, "")
    text = (results / "new" / "README.md").read_text(encoding="utf-8")
    head = "| claim | found | n | where |\n| :--- | :--- | ---: | :--- |\n"
    assert text.startswith(f"before\n<!-- findings: by make -->\n\n{head}")
    assert text.endswith("<!-- findings end -->\nafter\n")
    assert "stale" not in text
    assert "| Test errors | 14 not run" in text
    assert "| [The numbers that the paper prints] |\n" in text
    assert "\n[The numbers that the paper prints]: docs/t.md#the-numbers-that-the-paper-prints\n" in text
    shown = re.findall(r"\| \[(.+)\] \|$", text, re.MULTILINE)
    assert set(shown) == set(re.findall(r"^\[(.+)\]: docs/t.md#", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("tables_text", "readme_text", "message"),
    [
        ("# x\n", "<!-- findings -->\n<!-- findings end -->\n", "t.md: no section 'What was found'"),
        (
            "# x\n\n## What was found\n\n| claim | found | n | where |\n|:--|:--|--:|:--|\n",
            "no markers\n",
            "README.md: expected one pair of markers",
        ),
    ],
)
def test_readme_names_what_is_missing(script, tables_text, readme_text, message):
    write(Path("tables.md"), tables_text)
    write(Path("README.md"), readme_text)
    given = ("--tables", "tables.md", "--kept", "t.md", "--readme", "README.md", "--output", "out/README.md")
    assert_refused(script("readme", *given), message)
