"""Look up an architecture of NAS-Bench-201.

Mean accuracies in percent over its trials, of 200 epochs if not said otherwise: of a file of the benchmark, where one
was converted, else those that are part of the package.
"""

import argparse
import math
from pathlib import Path

from tabulate import tabulate

from freedarts.files import InputError
from freedarts.nasbench201 import ACCURACIES, TABLE, VERSION, VERSIONS
from freedarts.nasbench201.query import Table, find
from freedarts.spaces.nasbench201 import from_index

MISSING = "–"
HEADERS = ("accuracy", "mean", "std", "trials", "rank", "percentile")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", type=Path, help=f"what convert_nasbench201 made (default: {TABLE}, if it is there)")
    allowed = ", ".join(VERSIONS)
    parser.add_argument("--version", help=f"of the accuracies in the package: {allowed} (default: {VERSION})")
    parser.add_argument("--isomorphic", action="store_true", help="show all architectures that are the same cell")
    parser.add_argument("arch", help="architecture string |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, or its index")


def main(arguments: argparse.Namespace) -> None:
    genotype = find(int(arguments.arch) if arguments.arch.isdecimal() else arguments.arch)
    table = _table(arguments.table, arguments.version)
    indices = table.isomorphic(genotype) if arguments.isomorphic else [genotype.index]
    if not indices:
        raise InputError(f"{table.path}: neither {genotype.arch} nor an isomorphic architecture is in the table")
    for index in indices:
        show(table, index)


def _table(path: Path | None, version: str | None) -> Table:
    if path and version:
        raise InputError(f"--version {version} with --table {path}, whose accuracies tell their version")
    if path or (Path(TABLE).exists() and not version):
        return Table(path or Path(TABLE))
    return Table(version=version or VERSION)


def show(table: Table, index: int) -> None:
    print(f"{index}  {from_index(index).arch}")
    source = table.metadata.get("source", table.path)
    print(f"version {table.version}" + (f", {source}" if source != table.version else ""))
    costs = table.costs(index).values()
    if not all(map(math.isnan, costs)):
        params, flops, latency = (MISSING if math.isnan(cost) else f"{cost:.4g}" for cost in costs)
        print(f"params {params} M, flops {flops} M, latency {latency} s (CIFAR-10)")
    rows = []
    for name, accuracy in table.accuracies(index).items():
        label = f"{name.removesuffix('_12')}, 12 epochs" if ACCURACIES[name][2] == 12 else name
        if accuracy is None:
            rows.append([label, MISSING])
            continue
        std = MISSING if accuracy.std is None else f"{accuracy.std:.2f}"
        rank = f"{accuracy.rank} of {accuracy.count}"
        trials = MISSING if accuracy.n is None else accuracy.n
        rows.append([label, f"{accuracy.mean:.2f}", std, trials, rank, f"{accuracy.percentile:.2f}"])
    print(tabulate(rows, HEADERS, disable_numparse=True, stralign="right", colalign=("left",)), end="\n\n")
