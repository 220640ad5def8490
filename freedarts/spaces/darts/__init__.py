"""The DARTS space (Liu et al., 2019): a normal and a reduction cell of four nodes over two inputs.

Pure Python: what a genotype is, how it is derived from scores and compared. Networks are built on demand, because
torch takes longer to import than a derivation takes to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from freedarts.files import InputError

NAME = "darts"
OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
NODES = 4
EDGES = tuple((source, target) for target in range(2, 2 + NODES) for source in range(target))
DRAWN = ("c_{k-2}", "c_{k-1}", *map(str, range(NODES)), "c_{k}")
GATES = {"normal": len(EDGES), "reduce": len(EDGES)}
CANDIDATES = OPERATIONS[1:]  # `none` is scored, and never kept
CHOICES = tuple((tuple(e for e, (_, t) in enumerate(EDGES) if t == target), 2) for target in range(2, 2 + NODES))
LARGEST = "sep_conv_5x5"

Cell = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Genotype:
    """Two (operation, input) pairs for each of the four nodes of a cell, node after node. Inputs 0 and 1 are the
    outputs of the two cells before, input 2 is the first node."""

    normal: Cell
    reduce: Cell
    space: ClassVar[str] = NAME

    def to_json(self) -> dict:
        return {"space": self.space, **{group: [list(entry) for entry in getattr(self, group)] for group in GATES}}


def parse(value: dict, where: str) -> Genotype:
    """Raises InputError that names the first cell and entry that is not of the space."""
    if unknown := set(value) - {"space", *GATES}:
        raise InputError(f"{where}: unknown key {sorted(unknown)[0]!r}")
    return Genotype(**{group: _parse_cell(value.get(group), f"{where}: {group}") for group in GATES})


def _parse_cell(entries: object, where: str) -> Cell:
    if not isinstance(entries, list) or len(entries) != 2 * NODES:
        raise InputError(f"{where}: expected {2 * NODES} pairs [operation, input], two per node")
    for index, entry in enumerate(entries):
        place, node = f"{where}[{index}]", index // 2
        if not (isinstance(entry, list) and len(entry) == 2):
            raise InputError(f"{place}: {entry!r} is not a pair [operation, input]")
        operation, source = entry
        if operation not in OPERATIONS[1:]:
            raise InputError(f"{place}: unknown operation {operation!r}; allowed: {', '.join(OPERATIONS[1:])}")
        if type(source) is not int or not 0 <= source < node + 2:
            raise InputError(f"{place}: input {source!r} of node {node}; allowed: 0 to {node + 1}")
        if index % 2 and source == entries[index - 1][1]:
            raise InputError(f"{place}: node {node} takes input {source} twice")
    return tuple((operation, source) for operation, source in entries)


def derive(scores: dict[str, list[list[float]]]) -> Genotype:
    """Each node keeps its two strongest inputs, strongest first, each with its strongest operation; `none` is never
    kept (Liu et al., 2019, section 2.4; ties go to the lower index)."""
    return Genotype(**{group: _derive_cell(scores[group]) for group in GATES})


def _derive_cell(rows: list[list[float]]) -> Cell:
    def strongest(edge: int) -> int:
        return max(range(1, len(OPERATIONS)), key=rows[edge].__getitem__)

    cell: list[tuple[str, int]] = []
    for node in range(2, 2 + NODES):
        edges = [edge for edge, (_, target) in enumerate(EDGES) if target == node]
        edges.sort(key=lambda edge: rows[edge][strongest(edge)], reverse=True)
        cell += [(OPERATIONS[strongest(edge)], EDGES[edge][0]) for edge in edges[:2]]
    return tuple(cell)


def kept(genotype: Genotype) -> dict[str, list[tuple[int, int]]]:
    return {
        group: [
            (EDGES.index((source, 2 + index // 2)), OPERATIONS.index(operation))
            for index, (operation, source) in enumerate(getattr(genotype, group))
        ]
        for group in GATES
    }


# Sizes in pixels, (smallest, largest), of the last feature map that the final network's layers take.
POOLED = {"cifar": (1, 1 << 30), "imagenet": (2, 13)}
AUXILIARY = {"cifar": (8, 10), "imagenet": (7, 8)}


def option_faults(options: dict, final: bool = False, smallest_batch: int | None = None) -> Iterator[str]:
    kind, size, auxiliary = options["stem_kind"], options["image_size"], options.get("auxiliary", False)
    divisor = 4 if kind == "cifar" else 32
    if size % divisor:
        yield f"image_size: {size} with the stem {kind!r}; allowed: multiples of {divisor}"
    elif final:
        low, high = (AUXILIARY if auxiliary else POOLED)[kind]
        if not low * divisor <= size <= high * divisor:
            head = "with" if auxiliary else "without"
            allowed = f"{low * divisor} to {high * divisor}"
            yield f"image_size: {size} with the stem {kind!r}, {head} auxiliary head; allowed: {allowed}"
    if auxiliary and kind == "cifar" and smallest_batch == 1:
        yield "batch_size: the last batch would hold one image, too few for the auxiliary head's batch norm"


def untrainable(genotype: Genotype) -> None:
    return None


def supernet(channels: int, cells: int, stem_kind: str, image_size: int, classes: int):
    """A `freedarts.spaces.darts.networks.Supernet`."""
    from freedarts.spaces.darts.networks import Supernet

    return Supernet(channels, cells, stem_kind, image_size, classes)


def network(genotype: Genotype, **options):
    """A `freedarts.spaces.darts.networks.Network`."""
    from freedarts.spaces.darts.networks import Network

    return Network(genotype, **options)


def released_batch(data, batch_size: int):
    from freedarts.spaces.darts.released import batch

    return batch(data, batch_size)


def from_release(state: dict, network) -> dict:
    from freedarts.spaces.darts.released import from_release

    return from_release(state, network)
