"""Look the genotypes of one source up in NAS-Bench-201, in all versions of the benchmark, keyed by the search seed."""

import argparse
from dataclasses import asdict
from pathlib import Path

from freedarts import genotype
from freedarts.files import run, write_json
from freedarts.nasbench201 import ACCURACIES, VERSIONS
from freedarts.nasbench201.query import Accuracy, Table, packaged_table


def _json(accuracies: dict[str, Accuracy | None]) -> dict[str, dict | None]:
    return {name: found and {**asdict(found), "percentile": found.percentile} for name, found in accuracies.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, help="what convert_nasbench201 made (default: the package's accuracies)")
    parser.add_argument("--output", required=True, type=Path, help="accuracies by seed, and those of all, JSON")
    parser.add_argument("genotypes", nargs="+", type=Path, help="JSON, with their seeds")
    arguments = parser.parse_args()

    table = Table(arguments.table)
    tables = {version: packaged_table(version) for version in VERSIONS} | {table.version: table}
    seeds = {
        seed: None
        if isinstance(found, genotype.Refused)
        else {"index": found.index, "accuracies": {v: _json(each.accuracies(found)) for v, each in tables.items()}}
        for seed, found in genotype.read_seeds(arguments.genotypes, "nasbench201").items()
    }
    distribution = {name: (found := table.distribution(name)) and _json(found) for name in ACCURACIES}
    about = {"version": table.version, **table.metadata, "architectures": len(table)}
    write_json(arguments.output, {**about, "distribution": distribution, "seeds": seeds})


if __name__ == "__main__":
    run(main)
