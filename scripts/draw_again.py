"""Draw how many entries of the published genotypes come out again from their seeds, from a finished tables.csv."""

import argparse
from pathlib import Path

from freedarts.figures import again, write_svg
from freedarts.files import read_bytes, run
from freedarts.tables import read_csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", required=True, type=Path, help="tables.csv")
    parser.add_argument("--output", required=True, type=Path, help="the figure, SVG")
    arguments = parser.parse_args()

    write_svg(arguments.output, again.draw(read_csv(read_bytes(arguments.tables).decode(), "again")))


if __name__ == "__main__":
    run(main)
