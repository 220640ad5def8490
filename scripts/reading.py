"""What one reading of a number of the paper gave: mean, spread, tolerance and verdict of its trainings or its look-up,
which lie in the current folder."""

import argparse
from pathlib import Path

from freedarts.commands import parse_in_folder, schema
from freedarts.files import parse_settings, run, write_json
from freedarts.results import read
from freedarts.study import kinds, paper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", required=True, help="id in the file of numbers, for example cifar10/freedarts")
    parser.add_argument("--reading", required=True, help="published, or another one of the settings")
    parser.add_argument("--numbers", required=True, type=Path, help="YAML: the numbers that the paper prints")
    parser.add_argument("--settings", required=True, help="JSON: the reading, as in the configuration")
    parser.add_argument("--output", required=True, type=Path, help="JSON")
    arguments = parse_in_folder(parser)

    number = paper.entry(arguments.numbers, schema(), arguments.number)
    readings = parse_settings(arguments.settings, ("readings",))["readings"]
    cases = paper.reading_cases(number, readings, arguments.reading)
    if paper.is_lookup(number):
        results = paper.looked_up(read.results(kinds.LOOKUP, {case[:2] for case in cases}))
    else:
        results = read.trainings(cases)
    write_json(arguments.output, paper.reading(number, results, cases))


if __name__ == "__main__":
    run(main)
