"""Check a genotype that was published and put it among the results."""

import argparse
from pathlib import Path

from freedarts import genotype
from freedarts.files import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resource", required=True, type=Path, help="published genotype, JSON")
    parser.add_argument("--seed", required=True, type=int, help="of its search, as the release numbers them")
    parser.add_argument("--output", required=True, type=Path, help="genotype, JSON")
    arguments = parser.parse_args()
    genotype.write(arguments.output, genotype.read(arguments.resource), arguments.seed)


if __name__ == "__main__":
    run(main)
