"""Rank correlation of a score of whole architectures with their accuracies in the NAS-Bench-201 table."""

import argparse
from pathlib import Path

import numpy as np

from freedarts.architectures.correlation import correlation
from freedarts.files import InputError, read_json, run, write_json
from freedarts.nasbench201 import ACCURACIES
from freedarts.nasbench201.query import Table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", required=True, type=Path, help="what score_architectures wrote")
    parser.add_argument("--table", type=Path, help="what convert_nasbench201 made (default: the package's accuracies)")
    parser.add_argument("--output", required=True, type=Path, help="correlation with every accuracy, JSON")
    arguments = parser.parse_args()

    scored = read_json(arguments.scores, ("score", "seed", "architectures", "scores"))
    if len(scored["architectures"]) != len(scored["scores"]):
        counts = f"{len(scored['architectures'])} architectures and {len(scored['scores'])} scores"
        raise InputError(f"{arguments.scores}: {counts}; expected as many of one as of the other")
    table = Table(arguments.table)
    scores = dict(zip(scored["architectures"], scored["scores"], strict=True))
    values = np.array([scores.get(index) for index in table.indices.tolist()], float)  # None becomes NaN
    if not np.isfinite(values).any():
        raise InputError(f"{arguments.scores}: none of its architectures has a score and is in {table.path}")
    accuracies = {name: correlation(values, table.column(name)) for name in ACCURACIES}
    about = {**{key: scored[key] for key in ("score", "seed")}, "version": table.version, **table.metadata}
    write_json(arguments.output, {**about, "architectures": len(scores), "accuracies": accuracies})


if __name__ == "__main__":
    run(main)
