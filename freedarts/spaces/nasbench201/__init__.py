"""The NAS-Bench-201 space (Dong and Yang, 2020): one cell, an operation on each of its six edges.

Pure Python, like the other spaces.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import ClassVar

from freedarts.files import InputError

NAME = "nasbench201"
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = tuple((source, target) for target in range(1, 4) for source in range(target))
DRAWN = ("0", "1", "2", "3")
GATES = {"cell": len(EDGES)}
CANDIDATES = OPERATIONS
CHOICES = tuple(((edge,), 1) for edge in range(len(EDGES)))
LARGEST = "nor_conv_3x3"


@dataclass(frozen=True)
class Genotype:
    """An operation for each edge, in the order 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2."""

    operations: tuple[str, ...]
    space: ClassVar[str] = NAME

    @property
    def arch(self) -> str:
        """The benchmark's architecture string: `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
        nodes = [
            "|"
            + "".join(f"{op}~{edge[0]}|" for op, edge in zip(self.operations, EDGES, strict=True) if edge[1] == node)
            for node in range(1, 4)
        ]
        return "+".join(nodes)

    @property
    def index(self) -> int:
        """The benchmark's index of the architecture, 0 to 15,624."""
        return _indices()[self.operations]

    def to_json(self) -> dict:
        return {"space": self.space, "arch": self.arch}


@cache
def cells() -> list[tuple[str, ...]]:
    """The operations of all architectures, in the order of the benchmark's indices: it listed all cells, node by node,
    and shuffled the list with this seed."""
    listed = list(product(OPERATIONS, repeat=len(EDGES)))
    random.Random(88).shuffle(listed)
    return listed


@cache
def _indices() -> dict[tuple[str, ...], int]:
    return {cell: index for index, cell in enumerate(cells())}


def from_index(index: int) -> Genotype:
    if not 0 <= index < len(cells()):
        raise InputError(f"NAS-Bench-201 index {index}; allowed: 0 to {len(cells()) - 1}")
    return Genotype(cells()[index])


def parse(value: dict, where: str) -> Genotype:
    if unknown := set(value) - {"space", "arch"}:
        raise InputError(f"{where}: unknown key {sorted(unknown)[0]!r}")
    return parse_arch(value.get("arch"), f"{where}: arch")


def parse_arch(arch: object, where: str) -> Genotype:
    """Raises InputError that names the edge with an operation or source that is not of the space."""
    found = re.findall(r"([^|~+]+)~(\d+)", arch) if isinstance(arch, str) else []
    if len(found) != len(EDGES):
        raise InputError(f"{where}: {arch!r} is not of the form |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
    for (operation, source), (expected, target) in zip(found, EDGES, strict=True):
        if operation not in OPERATIONS:
            raise InputError(
                f"{where}: unknown operation {operation!r} on edge {target}<-{expected}; "
                f"allowed: {', '.join(OPERATIONS)}"
            )
        if int(source) != expected:
            raise InputError(f"{where}: edge {target}<-{expected} is missing (found input {source})")
    genotype = Genotype(tuple(operation for operation, _ in found))
    if genotype.arch != arch:
        raise InputError(f"{where}: {arch!r} is not written as the benchmark writes it: {genotype.arch}")
    return genotype


def derive(scores: dict[str, list[list[float]]]) -> Genotype:
    """The strongest operation of each edge, `none` included (as the release does; ties go to the lower index)."""
    return Genotype(tuple(OPERATIONS[max(range(len(row)), key=row.__getitem__)] for row in scores["cell"]))


def kept(genotype: Genotype) -> dict[str, list[tuple[int, int]]]:
    return {"cell": [(edge, OPERATIONS.index(operation)) for edge, operation in enumerate(genotype.operations)]}


def option_faults(options: dict, final: bool = False, smallest_batch: int | None = None) -> Iterator[str]:
    if options["image_size"] % 4:
        yield f"image_size: {options['image_size']}; allowed: multiples of 4"


def untrainable(genotype: Genotype) -> None:
    return None


def released_batch(data, batch_size: int):
    from freedarts.spaces.nasbench201.released import batch

    return batch(data, batch_size)


def supernet(channels: int, cells_per_stage: int, image_size: int, classes: int):
    """A `freedarts.spaces.nasbench201.networks.Supernet`."""
    from freedarts.spaces.nasbench201.networks import Supernet

    return Supernet(channels, cells_per_stage, image_size, classes)


def network(genotype: Genotype, **options):
    """A `freedarts.spaces.nasbench201.networks.Network`."""
    from freedarts.spaces.nasbench201.networks import Network

    return Network(genotype, **options)
