"""Draw ranks of architectures by scores against those by accuracy, from results/nasbench201 in the current folder."""

import argparse
from pathlib import Path

import numpy as np

from freedarts.commands import parse_in_folder
from freedarts.figures import ranks, write_svg
from freedarts.files import parse_settings, run
from freedarts.nasbench201.query import Table
from freedarts.results import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: correlations, [score, architectures, seed] each")
    parser.add_argument("--table", type=Path, help="what convert_nasbench201 made (default: the package's accuracies)")
    parser.add_argument("--output", required=True, type=Path, help="the figure, SVG")
    arguments = parse_in_folder(parser)
    table = Table(arguments.table)
    scores = read.architecture_scores(parse_settings(arguments.settings, ("correlations",))["correlations"])
    indices, accuracies = table.indices.tolist(), table.column("cifar10_test")
    # None becomes NaN.
    cases = {case: (np.array([found.get(i) for i in indices], float), accuracies) for case, found in scores.items()}
    write_svg(arguments.output, ranks.draw(cases, "CIFAR-10"))


if __name__ == "__main__":
    run(main)
