"""Draw the genotypes of a source, all seeds."""

import argparse
from pathlib import Path

from freedarts import genotype
from freedarts.figures import genotypes, write_svg
from freedarts.files import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", required=True, help="what stands over the drawing")
    parser.add_argument("--output", required=True, type=Path, help="the drawing, SVG")
    parser.add_argument("genotypes", nargs="+", type=Path, help="JSON, with their seeds")
    arguments = parser.parse_args()

    write_svg(arguments.output, genotypes.draw(genotype.read_seeds(arguments.genotypes), arguments.title))


if __name__ == "__main__":
    run(main)
