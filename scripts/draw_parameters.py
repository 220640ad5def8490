"""Draw the parameters of the published networks against the test errors that the paper and its logs print."""

import argparse
from pathlib import Path

from freedarts.figures import parameters, write_svg
from freedarts.files import run
from freedarts.study.settings import read_yaml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", required=True, type=Path, help="YAML: the numbers that the paper prints")
    parser.add_argument("--published-costs", required=True, type=Path, help="YAML: costs that the release printed")
    parser.add_argument("--output", required=True, type=Path, help="the figure, SVG")
    arguments = parser.parse_args()
    write_svg(arguments.output, parameters.draw(read_yaml(arguments.numbers), read_yaml(arguments.published_costs)))


if __name__ == "__main__":
    run(main)
