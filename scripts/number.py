"""One figure of the paper beside what its trainings and searches gave, which lie in the current folder."""

import argparse
from pathlib import Path

from freedarts import numbers, results
from freedarts.files import InputError, parse_settings, run, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", required=True, help="id in the file of numbers, for example cifar10/freedarts")
    parser.add_argument("--numbers", required=True, type=Path, help="YAML: the figures that the paper prints")
    parser.add_argument("--settings", required=True, help="JSON: the readings, as in the configuration")
    parser.add_argument("--output", required=True, type=Path, help="JSON")
    arguments = parser.parse_args()

    known = {number["id"]: number for number in numbers.read(arguments.numbers)}
    if arguments.number not in known:
        raise InputError(f"{arguments.numbers}: no number {arguments.number!r}; there are: {', '.join(known)}")
    number, (readings,) = known[arguments.number], parse_settings(arguments.settings, ("readings",)).values()
    wanted = numbers.cases(number, readings)
    if numbers.is_lookup(number):
        found = numbers.looked_up(results.lookups({case[:2] for case in wanted["published"]}))
    else:
        found = results.trainings(numbers.trainings(number, readings))
    reproduced_by, (supernet, score) = number["reproduced_by"], numbers.searched(number, readings)
    seeds = reproduced_by["seeds"]
    searches = results.searches([(supernet, score, seeds)])[supernet, score]
    ours, published = results.genotypes([(supernet, s, seeds) for s in (score, reproduced_by["source"])]).values()
    again = numbers.found_again(number, searches, ours, published)
    readings = {name: numbers.reading(number, found, cases) for name, cases in wanted.items()}
    write_json(arguments.output, {**number, "genotype": again, "readings": readings})


if __name__ == "__main__":
    run(main)
