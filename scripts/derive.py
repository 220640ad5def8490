"""Derive the genotype that a search selects from its scores.json."""

import argparse
from pathlib import Path

from freedarts import genotype
from freedarts.files import read_json, run

KEYS = ("space", "scores", "operations", "audit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--search", required=True, type=Path, help="scores.json")
    parser.add_argument("--output", required=True, type=Path, help="genotype, JSON")
    arguments = parser.parse_args()
    genotype.write(arguments.output, genotype.derive(read_json(arguments.search, KEYS), str(arguments.search)))


if __name__ == "__main__":
    run(main)
