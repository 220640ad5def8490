"""Draw how much of a genotype the seeds of each source agree on, from results/genotypes in the current folder."""

import argparse
from pathlib import Path

from freedarts.commands import parse_in_folder
from freedarts.figures import agreement, write_svg
from freedarts.files import parse_settings, run
from freedarts.results import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: sources, a list of [supernet, source, seeds]")
    parser.add_argument("--output", required=True, type=Path, help="the figure, SVG")
    arguments = parse_in_folder(parser)
    selected = parse_settings(arguments.settings, ("sources",))
    write_svg(arguments.output, agreement.draw(read.genotypes(selected["sources"])))


if __name__ == "__main__":
    run(main)
