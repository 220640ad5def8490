"""Make a table that is part of the package again (docs/nasbench201.md).

Prints its digest, which freedarts/nasbench201/packaged.py must name.
"""

import argparse
from pathlib import Path

from freedarts.nasbench201 import packaged


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--accuracies", required=True, type=Path, help="CSV, a row an architecture of NAS-Bench-201")
    parser.add_argument("--output", default=packaged.ACCURACIES, type=Path, help="default: the file in the package")


def main(arguments: argparse.Namespace) -> None:
    print(packaged.write(arguments.output, packaged.read_csv(arguments.accuracies)))
