"""Look the genotypes of one source up in the NAS-Bench-201 table, keyed by the search seed."""

import argparse
from dataclasses import asdict
from pathlib import Path

from freedarts import genotype
from freedarts.files import InputError, run, write_json
from freedarts.nasbench201 import FIGURES
from freedarts.nasbench201.query import Figure, Table


def _json(figures: dict[str, Figure | None]) -> dict[str, dict | None]:
    return {name: figure and {**asdict(figure), "percentile": figure.percentile} for name, figure in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", required=True, type=Path, help="what convert_nasbench201 made, a row an architecture"
    )
    parser.add_argument("--output", required=True, type=Path, help="figures of every seed and the best ones, JSON")
    parser.add_argument("genotypes", nargs="+", type=Path, help="seedN.json")
    arguments = parser.parse_args()

    table = Table(arguments.table)
    seeds = {}
    for path in arguments.genotypes:
        found = genotype.read_for(path, "nasbench201")
        seed = path.stem.removeprefix("seed")
        if seed in seeds:
            raise InputError(f"{path}: a second genotype of seed {seed}")
        if isinstance(found, genotype.Refused):
            seeds[seed] = None
        else:
            seeds[seed] = {"index": found.index, **_json(table.figures(found))}
    best = _json({name: table.best(name) for name in FIGURES})
    write_json(arguments.output, {**table.metadata, "architectures": len(table), "best": best, "seeds": seeds})


if __name__ == "__main__":
    run(main)
