"""Make a table that is part of the package again (docs/nasbench201.md).

Prints its digest, which freedarts/nasbench201/packaged.py must name.
"""

import argparse
from pathlib import Path

import numpy as np

from freedarts.nasbench201 import SIZE, packaged


def configure(parser: argparse.ArgumentParser) -> None:
    table = parser.add_mutually_exclusive_group(required=True)
    table.add_argument("--accuracies", type=Path, help="of this CSV, a row an architecture of NAS-Bench-201")
    table.add_argument("--synflow", action="store_true", help="compute SynFlow of all its architectures (minutes)")
    parser.add_argument("--output", type=Path, help="default: the file in the package")


def main(arguments: argparse.Namespace) -> None:
    if arguments.accuracies:
        place, columns = packaged.ACCURACIES, packaged.read_csv(arguments.accuracies)
    else:
        place, columns = packaged.SYNFLOW, {"scores": _synflow()}
    print(packaged.write(arguments.output or place, columns))


def _synflow() -> np.ndarray:
    from freedarts.architectures import synflow  # imports torch
    from freedarts.jobs.environment import set_up

    set_up("cpu", threads=1)
    scores = dict(synflow.scores(range(SIZE), packaged.SYNFLOW_SEED, packaged.NETWORK))
    return np.array([scores[index] for index in range(SIZE)])
