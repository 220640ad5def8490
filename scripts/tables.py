"""Assemble tables.md, and tables.csv beside it, from all selected results, which lie in the current folder."""

import argparse
from pathlib import Path

import yaml

from freedarts import tables
from freedarts.catalogue import COST, GENOTYPE, LOOKUP, METRICS, SEARCH
from freedarts.files import parse_settings, read_json, run, write_text
from freedarts.genotype import read
from freedarts.tables import nasbench201

INTRODUCTION = """# FreeDARTS, reproduced

Results of the searches, counts and trainings that the configuration selects, beside what the paper
(arXiv 2106.11542 v2) and its release print. FreeDARTS, FreeDARTS† and FreeDARTS‡ search on the supernets `darts-8`,
`darts-20` and `darts-imagenet`. This file is made by `snakemake results/tables.md`; `tables.csv` holds the same values
unrounded.
"""


def _yaml(path: str):
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: what the configuration selects")
    parser.add_argument("--numbers", required=True, type=_yaml, help="YAML: the figures that the paper prints")
    parser.add_argument("--objectives", required=True, type=_yaml, help="YAML: objectives that the release printed")
    parser.add_argument("--published-costs", required=True, type=_yaml, help="YAML: costs that the release printed")
    parser.add_argument("--published-nasbench201", required=True, type=_yaml, help="YAML: the same of NAS-Bench-201")
    parser.add_argument("--output", required=True, type=Path, help="tables.md")
    arguments = parser.parse_args()

    settings = parse_settings(arguments.settings, ("searches", "costs", "lookups", "trainings", "published", "tasks"))
    searches = {
        (supernet, score): {
            seed: read_json(Path(SEARCH.format(supernet=supernet, score=score, seed=seed)), tables.SEARCH_KEYS)
            for seed in seeds
        }
        for supernet, score, seeds in settings["searches"]
    }
    genotypes = {
        (supernet, source): {
            seed: read(Path(GENOTYPE.format(supernet=supernet, source=source, seed=seed))) for seed in seeds
        }
        for supernet, source, seeds in [*settings["searches"], *settings["published"]]
    }
    costs = {
        (task, supernet, source): read_json(Path(COST.format(task=task, supernet=supernet, source=source)))
        for task, supernet, source in settings["costs"]
    }
    lookups = {
        (supernet, source): read_json(Path(LOOKUP.format(supernet=supernet, source=source)), nasbench201.LOOKUP_KEYS)
        for supernet, source in settings["lookups"]
    }
    trainings = {
        tuple(case): read_json(
            Path(METRICS.format(**dict(zip(("task", "supernet", "source", "seed", "run"), case, strict=True)))),
            tables.METRICS_KEYS,
        )
        for case in settings["trainings"]
    }
    made = [
        tables.numbers_table(arguments.numbers, trainings, settings["tasks"]),
        tables.search_table(searches, genotypes, arguments.objectives),
        nasbench201.nasbench201_table(genotypes, lookups, arguments.published_nasbench201),
        tables.cost_table(costs, arguments.published_costs),
        tables.training_table(trainings),
    ]
    write_text(arguments.output.with_suffix(".csv"), tables.csv(made))
    write_text(arguments.output, tables.markdown(made, INTRODUCTION))


if __name__ == "__main__":
    run(main)
