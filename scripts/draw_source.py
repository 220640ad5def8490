"""Draw the genotypes of a source, all seeds."""

import argparse
from pathlib import Path

from freedarts import genotype
from freedarts.figures import genotypes, write_svg
from freedarts.files import InputError, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", required=True, help="what stands over the drawing")
    parser.add_argument("--output", required=True, type=Path, help="the drawing, SVG")
    parser.add_argument("genotypes", nargs="+", type=Path, help="seedN.json")
    arguments = parser.parse_args()

    found = {}
    for path in arguments.genotypes:
        seed = path.stem.removeprefix("seed")
        if not seed.isdecimal() or int(seed) in found:
            raise InputError(f"{path}: expected seedN.json, each N once")
        first = next(iter(found.values()), None)
        found[int(seed)] = genotype.read_for(path, first.space) if first else genotype.read(path)
    write_svg(arguments.output, genotypes.draw(found, arguments.title))


if __name__ == "__main__":
    run(main)
