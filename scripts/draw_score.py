"""Draw the scores of a search, all seeds, as a heat map, and the genotypes that they select."""

import argparse
from pathlib import Path

from freedarts import genotype
from freedarts.figures import genotypes, scores, write_svg
from freedarts.files import InputError, read_json, run

KEYS = ("space", "seed", "scores", "operations", "audit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", required=True, help="what stands over the drawings")
    parser.add_argument("--genotypes", required=True, type=Path, help="the drawn genotypes, SVG")
    parser.add_argument("--output", required=True, type=Path, help="the heat map, SVG")
    parser.add_argument("searches", nargs="+", type=Path, help="scores.json of each seed")
    arguments = parser.parse_args()

    searches, found = {}, {}
    for path in arguments.searches:
        search = read_json(path, KEYS)
        if search["seed"] in searches:
            raise InputError(f"{path}: a second search with seed {search['seed']}")
        searches[search["seed"]], found[search["seed"]] = search, genotype.derive(search, str(path))
    if len(spaces := {search["space"] for search in searches.values()}) > 1:
        raise InputError(f"searches of different spaces: {', '.join(sorted(spaces))}")
    write_svg(arguments.genotypes, genotypes.draw(found, arguments.title))
    write_svg(arguments.output, scores.draw(searches, found, arguments.title))


if __name__ == "__main__":
    run(main)
