"""Genotype files: a derived architecture, or the reason why a search gave none, and its seed. Imports no torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from freedarts import spaces
from freedarts.files import InputError, read_json, write_json

VERDICTS = ("sound", "noise", "overflow")


class Genotype(Protocol):
    """What the Genotype of every space has; each is a frozen value."""

    space: str

    def to_json(self) -> dict: ...


@dataclass(frozen=True)
class Refused:
    """A search of *space* that gave no genotype."""

    space: str
    reason: str

    def to_json(self) -> dict:
        return {"space": self.space, "refused": self.reason}


def parse(value: dict, where: str) -> Genotype | Refused:
    """The genotype in a JSON object, of which a seed beside it is no part. Raises InputError that names the offending
    place in *where*."""
    value = {key: part for key, part in value.items() if key != "seed"}
    space = spaces.load(value.get("space"), f"{where}: space")
    if "refused" in value:
        if set(value) != {"space", "refused"} or not isinstance(value["refused"], str):
            raise InputError(f"{where}: refused: expected a reason, and beside it nothing but the space")
        return Refused(value["space"], value["refused"])
    return space.parse(value, where)


def read(path: Path) -> Genotype | Refused:
    return parse(read_json(path, ("space",)), str(path))


def write(path: Path, genotype: Genotype | Refused, seed: int | None = None) -> None:
    """seed: of the search or of the draw, where there was one."""
    write_json(path, genotype.to_json() | ({} if seed is None else {"seed": seed}))


def read_for(path: Path, space: str) -> Genotype | Refused:
    """The genotype in a file, which must be of *space*."""
    genotype = read(path)
    _check_space(path, genotype, space)
    return genotype


def _check_space(path: Path, genotype: Genotype | Refused, space: str) -> None:
    if genotype.space != space:
        raise InputError(f"{path}: is a genotype of {genotype.space}, expected {space}")


def read_seeds(paths: Iterable[Path], space: str | None = None) -> dict[int, Genotype | Refused]:
    """The genotypes of one source by their seeds, all of *space*, or of that of the first one. InputError for a file
    without a seed, and for a seed that another file has too."""
    genotypes: dict[int, Genotype | Refused] = {}
    for path in paths:
        content = read_json(path, ("space",))
        genotype, seed = parse(content, str(path)), content.get("seed")
        space = space or genotype.space
        _check_space(path, genotype, space)
        if type(seed) is not int:
            raise InputError(f"{path}: seed: {seed!r}; expected the number that derive, publish or sample writes")
        if seed in genotypes:
            raise InputError(f"{path}: a second genotype of seed {seed}")
        genotypes[seed] = genotype
    return genotypes


def read_trainable(path: Path, space: str) -> Genotype:
    """As read_for, of a genotype whose network can be trained. InputError that says why there is none."""
    found = read_for(path, space)
    if isinstance(found, Refused):
        raise InputError(f"{path}: the search gave no genotype ({found.reason}); there is nothing to train")
    if reason := spaces.load(space).untrainable(found):
        raise InputError(f"{path}: cannot be trained: {reason}")
    return found


def derive(search: dict, where: str = "search result") -> Genotype | Refused:
    """The genotype that a search result (what `search.search` returns, or `scores.json`) selects by its space's rule
    (`spaces.*.derive`); Refused, with the first module that overflowed, where there are no finite scores.

    Raises InputError that names *where* and the key for a result without a verdict or with scores of another shape."""
    space = spaces.load(search["space"], f"{where}: space")
    audit = search["audit"]
    if not isinstance(audit, dict) or audit.get("verdict") not in VERDICTS:
        raise InputError(f"{where}: audit has no verdict; allowed: {', '.join(VERDICTS)}")
    if audit["verdict"] == "overflow":
        if not isinstance(audit.get("overflow"), str):
            raise InputError(f"{where}: audit.overflow: expected the name of a module")
        return Refused(space.NAME, f"overflow in {audit['overflow']}")
    spaces.check_scores(search["scores"], space.GATES, space.OPERATIONS, f"{where}: scores")
    if search["operations"] != list(space.OPERATIONS):
        raise InputError(f"{where}: operations {search['operations']} are not those of {space.NAME}")
    return spaces.derive(space, search["scores"])


def agreement(first: Genotype | Refused, second: Genotype | Refused) -> dict[str, int] | None:
    """Entries of `kept` that two genotypes of one space share, per gate group; None if one is refused."""
    if isinstance(first, Refused) or isinstance(second, Refused):
        return None
    space = spaces.load(first.space)
    ours, theirs = space.kept(first), space.kept(second)
    return {group: len(set(ours[group]) & set(theirs[group])) for group in space.GATES}
