"""Count parameters and multiply-adds of final networks.

Of several genotypes, keyed by the search seed.
"""

import argparse
from pathlib import Path

from freedarts import genotype
from freedarts.commands import schema
from freedarts.costs import costs
from freedarts.files import write_json
from freedarts.study.settings import parse


def configure(parser: argparse.ArgumentParser) -> argparse.Action:
    settings = parser.add_argument("--settings", required=True, help="JSON: space and network of the task")
    parser.add_argument("--output", required=True, type=Path, help="costs, JSON")
    parser.add_argument("genotypes", nargs="+", type=Path, help="JSON, with their seeds")
    return settings


def main(arguments: argparse.Namespace) -> None:
    settings = parse(arguments.settings, "cost_settings", schema())
    seeds = {
        seed: None if isinstance(found, genotype.Refused) else costs(found, settings["network"])
        for seed, found in genotype.read_seeds(arguments.genotypes, settings["space"]).items()
    }
    write_json(arguments.output, {"seeds": seeds})
