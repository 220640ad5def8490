"""Draw scores of NAS-Bench-201's architectures against their accuracies, and what each source selects, from results/ in
the current folder."""

import argparse
from pathlib import Path

import numpy as np

from freedarts.architectures import ratings
from freedarts.commands import parse_in_folder
from freedarts.figures import scatter, write_svg
from freedarts.files import parse_settings, run
from freedarts.genotype import Refused
from freedarts.nasbench201.query import Table
from freedarts.results import read
from freedarts.study import kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--settings", required=True, help="JSON: correlations, [score, architectures, seed] each; searches and sources"
    )
    parser.add_argument("--table", type=Path, help="what convert_nasbench201 made (default: the package's accuracies)")
    parser.add_argument("--output", required=True, type=Path, help="the figure, SVG")
    arguments = parse_in_folder(parser)
    selected = parse_settings(arguments.settings, ("correlations", "searches", "sources"))
    table = Table(arguments.table)
    indices = table.indices.tolist()
    places = {index: place for place, index in enumerate(indices)}
    chosen = [*selected["searches"], *selected["sources"]]
    several = len({supernet for supernet, _, _ in chosen}) > 1

    def name(supernet: str, source: str) -> str:
        return f"{source} on {supernet}" if several else source

    cases = {}
    for (score, _, seed), found in read.architecture_scores(selected["correlations"]).items():
        scores = np.array([found.get(index) for index in indices], float)  # None becomes NaN
        cases[f"{score}, seed {seed}", "score of the network"] = scores
    for supernet, score, (seed, *_) in selected["searches"]:
        _, rated = ratings.read(Path(kinds.SEARCH.file((supernet, score, seed))))
        if rated is not None:
            cases[f"{name(supernet, score)}, seed {seed}", "sum of gate scores"] = rated[table.indices]
    sources = {}
    for case, found in read.genotypes(chosen).items():
        derived = {genotype.index for genotype in found.values() if not isinstance(genotype, Refused)}
        sources[name(*case)] = [places[index] for index in sorted(derived) if index in places]
    write_svg(arguments.output, scatter.draw(cases, table.column("cifar10_test"), sources, "CIFAR-10"))


if __name__ == "__main__":
    run(main)
