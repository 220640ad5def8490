"""One number of the paper beside the reading that is judged, with the verdict on it and on the genotypes that were
published for it; the results lie in the current folder."""

import argparse
from pathlib import Path

from freedarts.commands import parse_in_folder, schema
from freedarts.files import parse_settings, run, write_json
from freedarts.results import read
from freedarts.study import kinds, paper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", required=True, help="id in the file of numbers, for example cifar10/freedarts")
    parser.add_argument("--numbers", required=True, type=Path, help="YAML: the numbers that the paper prints")
    parser.add_argument("--settings", required=True, help="JSON: the readings, as in the configuration")
    parser.add_argument("--output", required=True, type=Path, help="JSON")
    arguments = parse_in_folder(parser)

    number = paper.entry(arguments.numbers, schema(), arguments.number)
    readings = parse_settings(arguments.settings, ("readings",))["readings"]
    published = read.result(kinds.READING, (number["id"], paper.JUDGED))
    supernet, score = paper.searched(number, readings)
    reproduced_by = number["reproduced_by"]
    searches = read.searches([(supernet, score, reproduced_by["seeds"])])
    genotypes = read.genotypes([(supernet, s, reproduced_by["seeds"]) for s in (score, reproduced_by["source"])])
    genotype = paper.found_again(number, readings, searches, genotypes)
    write_json(arguments.output, paper.judged(number, published, genotype))


if __name__ == "__main__":
    run(main)
