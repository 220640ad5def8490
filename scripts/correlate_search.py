"""Rank correlation of the scores of a search on NAS-Bench-201, summed over the operations of each architecture, with
the accuracies, keyed by the search seed."""

import argparse
from pathlib import Path

from freedarts.architectures import ratings
from freedarts.architectures.correlation import correlation
from freedarts.files import run, write_json
from freedarts.nasbench201 import ACCURACIES
from freedarts.nasbench201.query import Table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, help="what convert_nasbench201 made (default: the package's accuracies)")
    parser.add_argument("--output", required=True, type=Path, help="correlation with every accuracy by seed, JSON")
    parser.add_argument("searches", nargs="+", type=Path, help="scores.json of each seed")
    arguments = parser.parse_args()

    table = Table(arguments.table)
    seeds = {}
    for seed, rated in map(ratings.read, arguments.searches):
        accuracies = {} if rated is None else {name: table.column(name) for name in ACCURACIES}
        seeds[seed] = {name: correlation(rated[table.indices], values) for name, values in accuracies.items()} or None
    about = {"version": table.version, **table.metadata, "architectures": len(table)}
    write_json(arguments.output, {**about, "seeds": seeds})


if __name__ == "__main__":
    run(main)
