"""Draw the graph of the workflow's rules that `snakemake --rulegraph` prints."""

import argparse
from pathlib import Path

from freedarts.figures import rulegraph, write_svg
from freedarts.files import InputError, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graph", required=True, type=Path, help="what `snakemake --rulegraph` printed, DOT")
    parser.add_argument("--output", required=True, type=Path, help="the drawing, SVG")
    arguments = parser.parse_args()
    try:
        dot = arguments.graph.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{arguments.graph}: not UTF-8") from None
    write_svg(arguments.output, rulegraph.draw(rulegraph.parse(dot, str(arguments.graph))))


if __name__ == "__main__":
    run(main)
