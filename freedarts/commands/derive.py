"""Derive the genotype that a search selects."""

import argparse
from pathlib import Path

from freedarts import genotype
from freedarts.files import read_json

KEYS = ("space", "seed", "scores", "operations", "audit")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--search", required=True, type=Path, help="scores.json")
    parser.add_argument("--output", required=True, type=Path, help="genotype, JSON")


def main(arguments: argparse.Namespace) -> None:
    search = read_json(arguments.search, KEYS)
    genotype.write(arguments.output, genotype.derive(search, str(arguments.search)), search["seed"])
