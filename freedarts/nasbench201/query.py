"""Looks architectures up: in the accuracies that are part of the package, or in the table that `convert` makes of a
file. The accuracies are the field's convention.

>>> table = Table()
>>> table.accuracy("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|…|", "cifar10", "test")
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from freedarts.files import InputError, reading
from freedarts.nasbench201 import ACCURACIES, COSTS, SIZE, SPLITS, VERSION, VERSIONS, packaged
from freedarts.spaces.nasbench201 import EDGES, Genotype, from_index, parse_arch

PARTS = ("", "_std", "_n")  # of an accuracy's columns
COLUMNS = (*COSTS, *(name + part for name in ACCURACIES for part in PARTS))
DRAWS = 10
DISTRIBUTION = ("mean", "lower quartile", "median", "upper quartile", f"best of {DRAWS}", "best")
SAME, MOST = 1e-3, 0.99  # percent, and the part of the architectures that tells a version


@dataclass(frozen=True)
class Accuracy:
    """An accuracy in percent over *n* trials, in a version of the benchmark.

    std: sample standard deviation, None for one trial; n: None where the table does not say; rank: 1 is the best, equal
    ones share the better rank; percentile: of the *count* architectures in the table, the percentage that is not
    better.
    """

    mean: float
    std: float | None
    n: int | None
    rank: int
    count: int
    version: str

    @property
    def percentile(self) -> float:
        return 100 * (self.count - self.rank + 1) / self.count


class Table:
    """Architectures by architecture string, benchmark index, or Genotype.

    path: what convert_nasbench201 made of a file of the benchmark; without it, the accuracies of *version* that are
    part of the package, which know no trials, standard deviations and costs.

    version: of the benchmark, which the accuracies tell, or, where they do not, the name of the file. indices: the
    benchmark indices (N,), ascending; metadata: `source` and `source_sha256`. Raises InputError for a file that is
    missing, damaged, or no such table, and for an unknown version; OSError for one that cannot be read.
    """

    def __init__(self, path: Path | None = None, version: str = VERSION):
        if path is None:
            self.path, self.version, self.indices = packaged.ACCURACIES, version, np.arange(SIZE)
            self._columns = packaged.accuracies(version)
            self.metadata = {"source": self.path.name, "source_sha256": packaged.SHA256[self.path.name]}
        else:
            self.path = path
            self.indices, self._columns, self.metadata = _parquet(path)
            self.version = _version(self) or self.metadata.get("source", path.name)
        self._sorted: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.indices)

    def column(self, name: str) -> np.ndarray:
        """A column as float64 (N,), rows as in `indices`; NaN where the source has no value."""
        if name not in COLUMNS:
            raise InputError(f"no column {name!r}; there are: {', '.join(COLUMNS)}")
        return self._columns.get(name, np.full(len(self), math.nan))

    def row(self, arch: str | int | Genotype, isomorphic: bool = False) -> int:
        """The row of an architecture. isomorphic: if it is not in the table, the first one that is the same cell.

        Raises InputError for what is no architecture of the space, or is not in the table.
        """
        genotype = find(arch)
        row = int(np.searchsorted(self.indices, genotype.index))
        if row < len(self) and self.indices[row] == genotype.index:
            return row
        if isomorphic and (rows := self._by_cell.get(canonical(genotype))):
            return rows[0]
        raise InputError(f"{self.path}: architecture {genotype.index}, {genotype.arch}, is not in the table")

    def isomorphic(self, arch: str | int | Genotype) -> list[int]:
        """The indices of all architectures in the table that are the same cell, *arch* included."""
        return [int(self.indices[row]) for row in self._by_cell.get(canonical(find(arch)), [])]

    @cached_property
    def _by_cell(self) -> dict[str, list[int]]:
        cells = defaultdict(list)
        for row, index in enumerate(self.indices.tolist()):
            cells[canonical(from_index(index))].append(row)
        return dict(cells)

    def accuracy(self, arch: str | int | Genotype, dataset: str = "cifar10", split: str = "test") -> float:
        """Mean accuracy in percent after 200 epochs. dataset: cifar10, cifar100, ImageNet16-120; split: valid, test."""
        splits = {case: name for case, name in SPLITS.items() if name in self._columns}
        if (dataset, split) not in splits:
            allowed = ", ".join(f"{name} {part}" for name, part in splits)
            raise InputError(f"no accuracy for {dataset!r} {split!r} in {self.version}; allowed: {allowed}")
        return self.mean(arch, splits[dataset, split])

    def mean(self, arch: str | int | Genotype, name: str) -> float:
        """Mean accuracy in percent of one of ACCURACIES; NaN where the source has no trial."""
        return float(self.column(name)[self.row(arch)])

    def ranked(self, arch: str | int | Genotype, name: str, isomorphic: bool = False) -> Accuracy | None:
        """One accuracy of an architecture, with its rank; None where the source has no trial. name: see ACCURACIES."""
        row = self.row(arch, isomorphic)
        ordered = self._ordered(name)
        mean, std, n = (float(self.column(name + part)[row]) for part in PARTS)
        if math.isnan(mean):
            return None
        return self._placed(ordered, mean, std if n > 1 else None, None if math.isnan(n) else int(n))

    def accuracies(self, arch: str | int | Genotype, isomorphic: bool = False) -> dict[str, Accuracy | None]:
        """All accuracies of an architecture, by their names in ACCURACIES."""
        return {name: self.ranked(arch, name, isomorphic) for name in ACCURACIES}

    def distribution(self, name: str) -> dict[str, Accuracy] | None:
        """What random search draws from, of one accuracy: `mean`, `lower quartile`, `median` and `upper quartile` of
        the architectures in the table, `best of 10`, the expected highest of ten that are drawn, and `best`. None where
        the source has no trial of it."""
        ordered = self._ordered(name)
        if not len(ordered):
            return None
        quartiles = np.quantile(ordered, (0.25, 0.5, 0.75))
        # Exact, where a product of vectors has other sums for another number of threads.
        highest = math.fsum(np.diff(np.linspace(0, 1, len(ordered) + 1) ** DRAWS) * ordered)
        values = (ordered.mean(), *quartiles, highest, ordered[-1])
        return {key: self._placed(ordered, float(value)) for key, value in zip(DISTRIBUTION, values, strict=True)}

    def _ordered(self, name: str) -> np.ndarray:
        """The values of one accuracy that there are, ascending."""
        if name not in ACCURACIES:
            raise InputError(f"no accuracy {name!r}; there are: {', '.join(ACCURACIES)}")
        if name not in self._sorted:
            values = self.column(name)
            self._sorted[name] = np.sort(values[~np.isnan(values)])
        return self._sorted[name]

    def _placed(self, ordered: np.ndarray, value: float, std: float | None = None, n: int | None = None) -> Accuracy:
        rank = len(ordered) - int(np.searchsorted(ordered, value, side="right")) + 1
        return Accuracy(value, std, n, rank, len(ordered), self.version)

    def costs(self, arch: str | int | Genotype, isomorphic: bool = False) -> dict[str, float]:
        """params and flops (millions) and latency (seconds) of the network for CIFAR-10; NaN where unknown."""
        row = self.row(arch, isomorphic)
        return {name: float(self.column(name)[row]) for name in COSTS}


def _parquet(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, str]]:
    """Indices, columns and metadata of a table file."""
    import pyarrow.parquet as pq  # most of a second, for files of the user alone

    with reading(path), path.open("rb"):  # pyarrow has one error for what cannot be read and what is damaged
        pass
    try:
        table = pq.ParquetFile(path, memory_map=True).read()
    except (OSError, ValueError) as error:  # pyarrow's own errors are among them
        raise InputError(f"{path}: not a Parquet table ({str(error).splitlines()[0]}); is it cut short?") from None
    if missing := [name for name in ("index", *COLUMNS) if name not in table.column_names]:
        raise InputError(f"{path}: no column {missing[0]!r}; that is not what convert_nasbench201 makes")
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    # Through Python objects, because pyarrow's own conversion imports pandas; None becomes NaN.
    columns = {name: np.array(table[name].to_pylist(), float) for name in COLUMNS}
    return np.array(table["index"].to_pylist()), columns, metadata


def _version(table: Table) -> str | None:
    """The version whose CIFAR-10 test accuracies a table has, if there is one and no other."""
    measured = table.column("cifar10_test")
    there = ~np.isnan(measured)
    differences = {v: packaged.accuracies(v)["cifar10_test"][table.indices] - measured for v in VERSIONS}
    same = [v for v, by in differences.items() if there.any() and (abs(by[there]) < SAME).mean() > MOST]
    return same[0] if len(same) == 1 else None


@cache
def packaged_table(version: str) -> Table:
    """The accuracies of a version that are part of the package."""
    return Table(version=version)


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
