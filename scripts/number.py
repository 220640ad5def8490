"""One figure of the paper beside what its trainings and searches gave, which lie in the current folder."""

import argparse
from pathlib import Path

from freedarts.commands import parse_in_folder, schema
from freedarts.files import InputError, parse_settings, run, write_json
from freedarts.results import read
from freedarts.study import paper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", required=True, help="id in the file of numbers, for example cifar10/freedarts")
    parser.add_argument("--numbers", required=True, type=Path, help="YAML: the figures that the paper prints")
    parser.add_argument("--settings", required=True, help="JSON: the readings, as in the configuration")
    parser.add_argument("--output", required=True, type=Path, help="JSON")
    arguments = parse_in_folder(parser)

    known = {number["id"]: number for number in paper.read(arguments.numbers, schema())}
    if arguments.number not in known:
        raise InputError(f"{arguments.numbers}: no number {arguments.number!r}; there are: {', '.join(known)}")
    number, (readings,) = known[arguments.number], parse_settings(arguments.settings, ("readings",)).values()
    wanted = paper.cases(number, readings)
    if paper.is_lookup(number):
        found = paper.looked_up(read.lookups({case[:2] for case in wanted["published"]}))
    else:
        found = read.trainings(paper.trainings(number, readings))
    reproduced_by, (supernet, score) = number["reproduced_by"], paper.searched(number, readings)
    seeds = reproduced_by["seeds"]
    searches = read.searches([(supernet, score, seeds)])[supernet, score]
    ours, published = read.genotypes([(supernet, s, seeds) for s in (score, reproduced_by["source"])]).values()
    again = paper.found_again(number, searches, ours, published)
    readings = {name: paper.reading(number, found, cases) for name, cases in wanted.items()}
    write_json(arguments.output, {**number, "genotype": again, "readings": readings})


if __name__ == "__main__":
    run(main)
