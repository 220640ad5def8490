"""Genotype files: a derived architecture, or the reason why a search gave none. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from freedarts import spaces
from freedarts.files import InputError, read_json, write_json


class Genotype(Protocol):
    """What the Genotype of every space has; each is a frozen value."""

    def to_json(self) -> dict: ...


@dataclass(frozen=True)
class Refused:
    """A search of *space* that gave no genotype."""

    space: str
    reason: str

    def to_json(self) -> dict:
        return {"space": self.space, "refused": self.reason}


def parse(value: dict, where: str) -> Genotype | Refused:
    """The genotype in a JSON object. Raises InputError that names the offending place in *where*."""
    space = spaces.load(value.get("space"), f"{where}: space")
    if isinstance(value.get("refused"), str):
        return Refused(value["space"], value["refused"])
    return space.parse(value, where)


def read(path: Path) -> Genotype | Refused:
    return parse(read_json(path, ("space",)), str(path))


def write(path: Path, genotype: Genotype | Refused) -> None:
    write_json(path, genotype.to_json())


def space_of(genotype: Genotype):
    return spaces.load(genotype.to_json()["space"])


def derive(search: dict, space_name: str, where: str) -> Genotype | Refused:
    """The genotype that a search result (`scores.json`) selects; an overflow selects none."""
    space = spaces.load(space_name, where)
    audit = search["audit"]
    if audit["verdict"] == "overflow":
        return Refused(space_name, f"overflow in {audit['overflow']}")
    spaces.check_scores(search["scores"], space.GATES, space.OPERATIONS, f"{where}: scores")
    if tuple(search["operations"]) != space.OPERATIONS:
        raise InputError(f"{where}: operations {search['operations']} are not those of {space_name}")
    return space.derive(search["scores"])


def agreement(first: Genotype | Refused, second: Genotype | Refused) -> dict[str, int] | None:
    """Entries of `spaces.entries` that two genotypes of one space share, per gate group; None if one is refused."""
    if isinstance(first, Refused) or isinstance(second, Refused):
        return None
    space = space_of(first)
    pairs = ((group, space.entries(first)[group], space.entries(second)[group]) for group in space.GATES)
    return {group: sum(len(a & b) for a, b in zip(ours, theirs, strict=True)) for group, ours, theirs in pairs}
