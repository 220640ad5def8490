"""Draw parameters of networks against the test errors that the paper, its logs and other papers print."""

import argparse
from pathlib import Path

from freedarts.figures import parameters, write_svg
from freedarts.files import run
from freedarts.study.settings import read_yaml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", required=True, type=Path, help="YAML: the numbers that the paper prints")
    parser.add_argument("--published-costs", required=True, type=Path, help="YAML: costs that the release printed")
    parser.add_argument("--field", required=True, type=Path, help="YAML: what other papers print")
    parser.add_argument("--output", required=True, type=Path, help="the figure, SVG")
    arguments = parser.parse_args()
    numbers, costs, field = map(read_yaml, (arguments.numbers, arguments.published_costs, arguments.field))
    write_svg(arguments.output, parameters.draw(numbers, costs, field["results"]))


if __name__ == "__main__":
    run(main)
