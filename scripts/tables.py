"""Assemble tables.md, and tables.csv beside it, from all selected results, which lie in the current folder."""

import argparse
from pathlib import Path

from freedarts import numbers, results, tables
from freedarts.files import parse_settings, run, write_text
from freedarts.settings import read_yaml
from freedarts.tables.correlation import correlation_table
from freedarts.tables.nasbench201 import nasbench201_table
from freedarts.tables.numbers import numbers_table
from freedarts.tables.stability import stability_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: what the configuration selects")
    parser.add_argument("--numbers", required=True, type=Path, help="YAML: the figures that the paper prints")
    parser.add_argument("--objectives", required=True, type=Path, help="YAML: objectives that the release printed")
    parser.add_argument("--published-costs", required=True, type=Path, help="YAML: costs that the release printed")
    parser.add_argument("--published-nasbench201", required=True, type=Path, help="YAML: the same of NAS-Bench-201")
    parser.add_argument("--output", required=True, type=Path, help="tables.md")
    arguments = parser.parse_args()

    keys = ("searches", "left_out", "costs", "lookups", "correlations", "benchmark", "trainings", "sources")
    keys += ("readings", "tasks")
    selected = parse_settings(arguments.settings, keys)
    searches = results.searches(selected["searches"])
    genotypes = results.genotypes([*selected["searches"], *selected["sources"]])
    costs = results.costs(selected["costs"])
    lookups = results.lookups(selected["lookups"])
    correlations = results.correlations(selected["correlations"], selected["benchmark"])
    trainings = results.trainings(selected["trainings"])
    made = [
        numbers_table(
            numbers.read(arguments.numbers), selected["readings"], trainings, searches, genotypes, selected["tasks"]
        ),
        tables.search_table(searches, genotypes, read_yaml(arguments.objectives), selected["left_out"]),
        stability_table(genotypes),
        nasbench201_table(genotypes, lookups, read_yaml(arguments.published_nasbench201)),
        correlation_table(correlations),
        tables.cost_table(costs, read_yaml(arguments.published_costs)),
        tables.training_table(trainings),
    ]
    write_text(arguments.output.with_suffix(".csv"), tables.csv(made))
    write_text(arguments.output, tables.markdown(made))


if __name__ == "__main__":
    run(main)
