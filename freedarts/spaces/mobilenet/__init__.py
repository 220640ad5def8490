"""The MobileNet space of ProxylessNAS (Cai et al., 2019): a chain of 21 blocks, an inverted bottleneck for each.

Pure Python, like the other spaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from freedarts.files import InputError

NAME = "mobilenet"
# An operation's place is its id in the release: kernel size, and the factor by which the bottleneck is expanded.
SIZES = tuple((kernel, expansion) for kernel in (3, 5, 7) for expansion in (3, 6))
OPERATIONS = tuple(f"mbconv_{kernel}x{kernel}_e{expansion}" for kernel, expansion in SIZES)
OMITTED = -1

# Width, number of blocks, and stride of the first of them; the width is that of a stem with 40 channels.
STAGES = ((32, 4, 2), (56, 4, 2), (112, 4, 2), (128, 4, 1), (256, 4, 2), (432, 1, 1))
BLOCKS = tuple((width, 1 if index else stride) for width, blocks, stride in STAGES for index in range(blocks))
EDGES = tuple((block, block + 1) for block in range(len(BLOCKS)))
DRAWN = ("24", *(str(width) for width, _ in BLOCKS))  # channels between the blocks
GATES = {"blocks": len(BLOCKS)}
CANDIDATES = OPERATIONS
CHOICES = tuple(((block,), 1) for block in range(len(BLOCKS)))
LARGEST = "mbconv_7x7_e6"
MACS = "table"


@dataclass(frozen=True)
class Genotype:
    """The id of each block's operation, or OMITTED. A block that is left out takes its stride with it, and the next
    one makes its change of width (the release's `model_id`)."""

    operations: tuple[int, ...]
    space: ClassVar[str] = NAME

    def to_json(self) -> dict:
        return {"space": self.space, "operations": list(self.operations)}


def parse(value: dict, where: str) -> Genotype:
    """Raises InputError that names the first block with an id that is not of the space."""
    if unknown := set(value) - {"space", "operations"}:
        raise InputError(f"{where}: unknown key {sorted(unknown)[0]!r}")
    ids, where = value.get("operations"), f"{where}: operations"
    if not isinstance(ids, list) or len(ids) != len(BLOCKS):
        found = f"{len(ids)} ids" if isinstance(ids, list) else repr(ids)
        raise InputError(f"{where}: {found}, expected a list of {len(BLOCKS)} ids, one per block")
    for block, identifier in enumerate(ids):
        if type(identifier) is not int or not OMITTED <= identifier < len(OPERATIONS):
            allowed = ", ".join(f"{i} ({name})" for i, name in enumerate(OPERATIONS))
            raise InputError(f"{where}[{block}]: unknown id {identifier!r}; allowed: {OMITTED} (no block), {allowed}")
    return Genotype(tuple(ids))


def untrainable(genotype: Genotype) -> str | None:
    blocks = [b for b, i in enumerate(genotype.operations) if i == OMITTED and BLOCKS[b][1] == 2]
    if not blocks:
        return None
    factor = 2 ** len(blocks)
    return (
        f"without block {', '.join(map(str, blocks))}, which would halve the image, the last feature map is {factor} "
        f"times as high and wide as the pooling that follows: {factor**2} rows of logits for each image instead of one"
    )


def derive(scores: dict[str, list[list[float]]]) -> Genotype:
    """The strongest operation of each block; ties go to the lower id."""
    return Genotype(tuple(max(range(len(row)), key=row.__getitem__) for row in scores["blocks"]))


def kept(genotype: Genotype) -> dict[str, list[tuple[int, int]]]:
    return {"blocks": list(enumerate(genotype.operations))}


def option_faults(options: dict, final: bool = False, smallest_batch: int | None = None) -> Iterator[str]:
    if smallest_batch == 1 and options["image_size"] <= 32:
        yield "batch_size: the last batch would hold one image, too few for batch norm on feature maps of one pixel"


def supernet(channels: int, image_size: int, classes: int):
    """A `freedarts.spaces.mobilenet.networks.Supernet`."""
    from freedarts.spaces.mobilenet.networks import Supernet

    return Supernet(channels, image_size, classes)


def network(genotype: Genotype, **options):
    """A `freedarts.spaces.mobilenet.networks.Network`."""
    from freedarts.spaces.mobilenet.networks import Network

    return Network(genotype, **options)


def from_release(state: dict, network) -> dict:
    from freedarts.spaces.mobilenet.released import from_release

    return from_release(state, network)
