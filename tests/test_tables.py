"""Tables: what is printed, what is withheld, and the same numbers in Markdown and CSV."""

import csv
import io
import json
import re

import yaml

from freedarts import genotype, tables
from freedarts.spaces import nasbench201
from freedarts.study.paper import is_lookup
from freedarts.tables.costs import cost_table
from freedarts.tables.latex import latex
from freedarts.tables.latex import text as latex_text
from freedarts.tables.searches import search_table
from freedarts.tables.trainings import training_table
from tests.support import METRICS, ROOT

NUMBERS = yaml.safe_load((ROOT / "resources" / "numbers.yaml").read_text(encoding="utf-8"))


def test_numbers_are_the_fourteen_that_the_paper_prints(shared):
    facts = json.loads((shared / "facts" / "published.json").read_text())["published_table"]
    names = {"FreeDARTS": "freedarts", "FreeDARTS_dagger_20cells": "freedarts-dagger"}
    names |= {"FreeDARTS_ddagger_imagenet_supernet": "freedarts-ddagger", "FreeDARTS_ddagger": "freedarts-ddagger"}
    expected = {}
    for method, values in facts["cifar_error"].items():
        expected |= {f"{data.lower().replace('-', '')}/{names[method]}": value for data, value in values.items()}
    for dataset in ("imagenet", "mobilenet"):
        for method, values in facts[f"{dataset}_error_top1_top5"].items():
            expected |= {f"{dataset}/{names[method]}-{top}": v for top, v in zip(("top1", "top5"), values, strict=True)}
    assert {number["id"]: number["value"] for number in NUMBERS if not is_lookup(number)} == expected
    assert len(NUMBERS) == 14 + 18


def test_cost_check_is_exact_or_the_difference():
    where = {"task": "t", "supernet": "s", "source": "x"}
    ours = {"parameters": 10, "parameters_with_auxiliary": 12, "flops": 2000, "macs": 30}
    published = {
        "genotypes": [
            {**where, "seed": 0, "parameters": 10, "flops": 2000, "macs": 30},
            {**where, "seed": 1, "parameters": 11, "flops": 1000},
        ],
        "ten_seed_means": [{**where, "parameters": 0.1, "flops": 0.2, "macs": 0.3}],
    }
    costs = {("t", "s", "x"): {0: ours, 1: ours, 2: ours, 3: ours, 4: None}}
    table = cost_table(costs, published)
    assert [(row["seed"], row["check"]) for row in table.rows] == [
        ("0", "exact"),
        ("1", "parameters -1, flops +1,000"),
        ("2, 3", None),
        ("4", "no genotype"),
        ("mean of 0 to 9", "cannot tell"),
    ]


def test_csv_holds_the_values_of_the_markdown():
    runs = {("digits", "darts-8", "synflow", 0, run): METRICS | {"error_last": 1.0 + run} for run in range(3)}
    table = training_table(runs)
    rows = list(csv.DictReader(io.StringIO(tables.csv([table]))))
    assert {row["table"] for row in rows} == {"retraining"}
    errors = next(row["value"] for row in rows if row["column"] == "error, last epoch")
    assert [float(value) for value in errors.split()] == [1, 2, 3]
    assert "2.00 ± 1.00" in table.markdown()
    assert len(rows) == len(table.rows[0])


def test_search_is_compared_with_what_was_published_for_its_proxy():
    """A score's name says nothing about its proxy; its results do."""
    audit = {"verdict": "sound", "largest": 1.0, "largest_second": 1.0, "difference": 0.0, "agreement": {"cell": 6}}
    result = {"space": "nasbench201", "objective": 2.3, "audit": audit, "seconds": 1.0, "peak_memory_mb": 100.0}
    mine, other = (nasbench201.from_index(index) for index in (0, 1))
    genotypes = {("n", source): {0: mine} for source in ("first", "second", "published-snip")}
    genotypes["n", "published-grasp"] = {0: other}
    searches = {
        ("n", "first"): {0: {"proxy": "snip", **result}},
        ("n", "second"): {0: {"proxy": "grasp", **result}},
    }
    rows = search_table(searches, genotypes, []).rows
    shared = sum(genotype.agreement(mine, other).values())
    assert shared < 6
    assert [row["shared, published"] for row in rows] == [6, shared]


def test_latex_holds_the_cells_of_the_markdown_escaped():
    odd = {"a_b": r"50 % & $1 #2 {x} ~ ^ \ <|> `--config 'n=[1]'` † ‡ ± ρ τ √ · ≥ − 2⁻⁵⁰ …", "n": None}
    made = [tables.Table("odd", "Odd & ends", "A `note`, 2 %.", [odd, {"n": 5}], {"n": str}), training_table({})]
    runs = {("digits", "darts-8", "synflow", 0, run): METRICS | {"error_last": 1.0 + run} for run in range(3)}
    made.append(training_table(runs))
    text = latex(made)
    assert text.isascii()
    parts = [*made[0].printed_parts(), *made[2].printed_parts()]  # none of an empty one
    assert len(parts) > 2
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == len(parts)
    assert re.findall(r"\\(?:begin|end)\{longtable\}", text) == [r"\begin{longtable}", r"\end{longtable}"] * len(parts)
    labels = re.findall(r"\\label\{(.+?)\}", text)
    assert labels[:3] == ["tab:odd", "tab:retraining", "tab:retraining-2"]
    assert len(set(labels)) == len(parts)
    plain = re.sub(r"\\[\\&%$#_{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    for (columns, rows), part in zip(parts, text.split(r"\toprule")[1:], strict=True):
        lines = [line for line in part.partition(r"\bottomrule")[0].splitlines() if line.endswith(r" \\")]
        cells = [re.split(r"(?<!\\) & ", line.removesuffix(r" \\")) for line in lines]
        assert cells == [[latex_text(cell) for cell in row] for row in (columns, *rows)]
    assert r"50 \% \& \$1 \#2 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{} $<$$|$$>$" in text
    assert r"\texttt{--config 'n={[}1]'} \dag{} \ddag{} $\pm$" in text
    assert "2.00 $\\pm$ 1.00" in text


def test_parts_of_a_table_fit_a_page():
    """docs/tables.md, which the default configuration gives: a reader at 1,000 px sees whole rows. What was found is in
    sentences, which break."""
    _, _, text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8").partition("\n## As in the paper\n")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines
    assert [line for line in lines if len(line) > 120 or line.count("|") > 8] == []


def test_json_holds_what_the_report_shows():
    made = tables.Table("t", "T", "n", [{"a": 1.5, "b": None}], {"a": "{:.2f}".format}, (("a",), ("b",)), [["x.json"]])
    (table,) = json.loads(tables.json([made], []))["tables"]
    assert table["columns"] == [
        {"title": "a", "number": True, "key": True},
        {"title": "b", "number": False, "key": False},
    ]
    assert (table["rows"], table["files"], table["links"]) == ([["1.50", "–"]], [["x.json"]], [])
