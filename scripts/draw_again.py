"""Draw how many entries of the published genotypes come out again from their seeds, from a finished tables.csv."""

import argparse
from pathlib import Path

from freedarts.figures import again, write_svg
from freedarts.files import run
from freedarts.results.assembly import table_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", required=True, type=Path, help="tables.csv")
    parser.add_argument("--output", required=True, type=Path, help="the figure, SVG")
    arguments = parser.parse_args()

    write_svg(arguments.output, again.draw(table_of(arguments.tables, "again")))


if __name__ == "__main__":
    run(main)
