"""Looks architectures up in the table that `convert` makes. The accuracies are the field's convention.

>>> table = Table(Path("architectures.parquet"))
>>> table.accuracy("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|…|", "cifar10", "test")
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from freedarts.files import InputError, reading
from freedarts.nasbench201 import ACCURACIES, COSTS
from freedarts.spaces.nasbench201 import EDGES, Genotype, from_index, parse_arch

# What papers call a data set and split -> column.
_SPLITS = {
    ("cifar10", "valid"): "cifar10_valid",
    ("cifar10", "test"): "cifar10_test",
    ("cifar100", "valid"): "cifar100_valid",
    ("cifar100", "test"): "cifar100_test",
    ("ImageNet16-120", "valid"): "imagenet16_valid",
    ("ImageNet16-120", "test"): "imagenet16_test",
}


@dataclass(frozen=True)
class Accuracy:
    """An accuracy in percent over *n* trials.

    std: sample standard deviation, None for one trial; rank: 1 is the best, equal ones share the better rank;
    percentile: of the *count* architectures in the table, the percentage that is not better.
    """

    mean: float
    std: float | None
    n: int
    rank: int
    count: int

    @property
    def percentile(self) -> float:
        return 100 * (self.count - self.rank + 1) / self.count


class Table:
    """The architectures of a table file, by architecture string, benchmark index, or Genotype.

    indices: the benchmark indices (N,), ascending; archs: their strings; metadata: `source` and `source_sha256`.
    Raises InputError for a file that is missing, damaged, or no such table; OSError for one that cannot be read.
    """

    def __init__(self, path: Path):
        with reading(path), path.open("rb"):  # pyarrow has one error for what cannot be read and what is damaged
            pass
        try:
            table = pq.ParquetFile(path, memory_map=True).read()
        except (OSError, ValueError) as error:  # pyarrow's own errors are among them
            raise InputError(f"{path}: not a Parquet table ({str(error).splitlines()[0]}); is it cut short?") from None
        columns = ["index", "arch", *COSTS, *(name + part for name in ACCURACIES for part in ("", "_std", "_n"))]
        if missing := [name for name in columns if name not in table.column_names]:
            raise InputError(f"{path}: no column {missing[0]!r}; that is not what convert_nasbench201 makes")
        self.path = path
        self.metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        self.indices = np.array(table["index"].to_pylist())
        self.archs: list[str] = table["arch"].to_pylist()
        # Through Python objects, because pyarrow's own conversion imports pandas; None becomes NaN.
        self._columns = {name: np.array(table[name].to_pylist(), float) for name in columns[2:]}
        self._by_arch = {arch: row for row, arch in enumerate(self.archs)}
        self._by_index = {index: row for row, index in enumerate(self.indices.tolist())}
        self._ranks: dict[str, tuple[np.ndarray, int]] = {}

    def __len__(self) -> int:
        return len(self.archs)

    def column(self, name: str) -> np.ndarray:
        """A column as float64 (N,), rows as in `indices`; NaN where the source has no value."""
        if name not in self._columns:
            raise InputError(f"no column {name!r}; there are: {', '.join(self._columns)}")
        return self._columns[name]

    def row(self, arch: str | int | Genotype, isomorphic: bool = False) -> int:
        """The row of an architecture. isomorphic: if it is not in the table, the first one that is the same cell.

        Raises InputError for what is no architecture of the space, or is not in the table.
        """
        if isinstance(arch, Genotype):
            arch = arch.arch
        row = (self._by_arch if isinstance(arch, str) else self._by_index).get(arch)
        if row is not None:
            return row
        genotype = find(arch)
        if isomorphic and (rows := self._by_cell.get(canonical(genotype))):
            return rows[0]
        raise InputError(f"{self.path}: architecture {genotype.index}, {genotype.arch}, is not in the table")

    def isomorphic(self, arch: str | int | Genotype) -> list[int]:
        """The indices of all architectures in the table that are the same cell, *arch* included."""
        return [int(self.indices[row]) for row in self._by_cell.get(canonical(find(arch)), [])]

    @cached_property
    def _by_cell(self) -> dict[str, list[int]]:
        cells = defaultdict(list)
        for row, arch in enumerate(self.archs):
            cells[canonical(parse_arch(arch, str(self.path)))].append(row)
        return dict(cells)

    def accuracy(self, arch: str | int | Genotype, dataset: str = "cifar10", split: str = "test") -> float:
        """Mean accuracy in percent after 200 epochs. dataset: cifar10, cifar100, ImageNet16-120; split: valid, test."""
        if (column := _SPLITS.get((dataset, split))) is None:
            allowed = ", ".join(f"{name} {part}" for name, part in _SPLITS)
            raise InputError(f"no accuracy for {dataset!r} {split!r}; allowed: {allowed}")
        return self.mean(arch, column)

    def mean(self, arch: str | int | Genotype, name: str) -> float:
        """Mean accuracy in percent of one of ACCURACIES; NaN where the source has no trial."""
        return float(self.column(name)[self.row(arch)])

    def ranked(self, arch: str | int | Genotype, name: str, isomorphic: bool = False) -> Accuracy | None:
        """One accuracy of an architecture, with its rank; None where the source has no trial. name: see ACCURACIES."""
        if name not in ACCURACIES:
            raise InputError(f"no accuracy {name!r}; there are: {', '.join(ACCURACIES)}")
        row = self.row(arch, isomorphic)
        mean, std, n = (float(self._columns[name + part][row]) for part in ("", "_std", "_n"))
        if math.isnan(mean):
            return None
        if name not in self._ranks:
            values = self._columns[name]
            ordered = np.sort(values[~np.isnan(values)])
            self._ranks[name] = len(ordered) - np.searchsorted(ordered, values, side="right") + 1, len(ordered)
        ranks, count = self._ranks[name]
        return Accuracy(mean, std if n > 1 else None, int(n), int(ranks[row]), count)

    def accuracies(self, arch: str | int | Genotype, isomorphic: bool = False) -> dict[str, Accuracy | None]:
        """All accuracies of an architecture, by their names in ACCURACIES."""
        return {name: self.ranked(arch, name, isomorphic) for name in ACCURACIES}

    def best(self, name: str) -> Accuracy | None:
        """The highest value of one accuracy in the table; None where the source has no trial of it."""
        column = self.column(name)
        return None if np.isnan(column).all() else self.ranked(int(self.indices[np.nanargmax(column)]), name)

    def costs(self, arch: str | int | Genotype, isomorphic: bool = False) -> dict[str, float]:
        """params and flops (millions) and latency (seconds) of the network for CIFAR-10; NaN where unknown."""
        row = self.row(arch, isomorphic)
        return {name: float(self._columns[name][row]) for name in COSTS}


def find(arch: str | int | Genotype) -> Genotype:
    """The genotype with an architecture string or benchmark index. InputError if there is none."""
    if isinstance(arch, Genotype):
        return arch
    return parse_arch(arch, "architecture") if isinstance(arch, str) else from_index(arch)


def canonical(genotype: Genotype) -> str:
    """A text that is the same for cells that the benchmark's authors count as one: 6,466 texts for 15,625 cells.

    A node is the sum of its inputs in any order, a skip connection is its input, and zero (`#`) is what an edge gives
    whose operation or input is zero. Cells with one text are the same function. Their rule misses some that are, for
    example a skip connection beside a zero; how many depends on the order of the texts, so these are written as theirs.
    """
    nodes = ["0"]
    edges = list(zip(EDGES, genotype.operations, strict=True))
    for node in range(1, 4):
        terms = []
        for (source, target), operation in edges:
            if target == node:
                if operation == "none" or nodes[source] == "#":
                    terms.append("#")
                else:
                    terms.append(nodes[source] if operation == "skip_connect" else f"({nodes[source]})@{operation}")
        nodes.append("+".join(sorted(terms)))
    return nodes[-1]
