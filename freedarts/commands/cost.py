"""Count parameters and multiply-adds of final networks.

Of several genotypes, keyed by the search seed.
"""

import argparse
from pathlib import Path

from freedarts import genotype
from freedarts.commands import schema
from freedarts.costs import costs
from freedarts.files import InputError, write_json
from freedarts.study.settings import parse


def configure(parser: argparse.ArgumentParser) -> argparse.Action:
    settings = parser.add_argument("--settings", required=True, help="JSON: space and network of the task")
    parser.add_argument("--output", required=True, type=Path, help="costs, JSON")
    parser.add_argument("genotypes", nargs="+", type=Path, help="seedN.json")
    return settings


def main(arguments: argparse.Namespace) -> None:
    settings = parse(arguments.settings, "cost_settings", schema())
    result = {}
    for path in arguments.genotypes:
        found = genotype.read_for(path, settings["space"])
        refused = isinstance(found, genotype.Refused)
        seed = path.stem.removeprefix("seed")
        if seed in result:
            raise InputError(f"{path}: a second genotype of seed {seed}")
        result[seed] = None if refused else costs(found, settings["network"])
    write_json(arguments.output, result)
