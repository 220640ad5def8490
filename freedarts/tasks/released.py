"""The random draws of the release on CIFAR-10, made again: the data loader of PyTorch 1.5 with two processes, and
torchvision's transforms of that time. Nothing of today's loaders, samplers and transforms takes part.

An epoch of a loader takes two things from torch's CPU generator: a base seed, and then the order of its images. Two
processes make the batches in turn. Each begins every epoch with Python's generator seeded by the base seed plus its own
number, and with NumPy's as the main process has it, which the release seeds once and draws nothing from. An image takes
the top and the left of its crop, then its flip, from Python's; row and column of its cutout from NumPy's.

Found by what the release printed: docs/reproduction.md, Found again.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from freedarts.tasks import Data, Epoch, cifar

PROCESSES = 2
SIZE = 32  # of an image, in pixels
SHIFTS = 2 * cifar.PADDING  # the largest top and left of a crop


def base_seed(generator: torch.Generator | None = None) -> int:
    """What the iterator of a loader draws first; torch's own generator if none is given."""
    return torch.empty((), dtype=torch.int64).random_(generator=generator).item()


def begin(images: int, generator: torch.Generator | None = None) -> tuple[int, Tensor]:
    """The base seed and the order of an epoch over *images*."""
    return base_seed(generator), torch.randperm(images, generator=generator)


def process(base: int, number: int = 0) -> random.Random:
    """Python's generator in one of the processes of a loader."""
    return random.Random(base + number)


@dataclass(frozen=True)
class Moves:
    """How images (N,) are cropped and flipped: tensors (N,) int64, and bool for flip."""

    top: Tensor
    left: Tensor
    flip: Tensor

    def apply(self, images: Tensor) -> Tensor:
        """Bytes (N, 3, 32, 32) to normalised float32, but with the mean and standard deviation of DARTS."""
        return cifar.normalise(self.crop(images))

    def crop(self, images: Tensor) -> Tensor:
        return cifar.moved(images, cifar.PADDING, self.top, self.left, self.flip)


def crop_then_flip(python: random.Random) -> tuple[int, int, bool]:
    """The draws of one image, as DARTS transforms it."""
    return python.randint(0, SHIFTS), python.randint(0, SHIFTS), python.random() < 0.5


def flip_then_crop(python: random.Random) -> tuple[int, int, bool]:
    """The draws of one image, as NAS-Bench-201 transforms it, as a crop that comes first: before a flip it is the one
    from the other side."""
    flip = python.random() < 0.5
    top, left = python.randint(0, SHIFTS), python.randint(0, SHIFTS)
    return top, SHIFTS - left if flip else left, flip


def moves(draws: Iterable[tuple[int, int, bool]]) -> Moves:
    top, left, flip = map(torch.tensor, zip(*draws, strict=True))
    return Moves(top, left, flip)


@dataclass(frozen=True)
class _Draws(Moves):
    """Of the images of an epoch, by image; row and column: of the centre of the cutout."""

    row: Tensor
    column: Tensor

    def of(self, batch: Tensor) -> "_Draws":
        return _Draws(*(getattr(self, field.name)[batch] for field in fields(self)))

    def apply(self, images: Tensor) -> Tensor:
        return cifar.cut(super().apply(images), self.row, self.column)


def _draws(base: int, order: Tensor, batch_size: int, seed: int) -> _Draws:
    """What the processes draw for the images of a training's epoch."""
    drawn = torch.empty(len(order), 5, dtype=torch.int64)
    batches = order.split(batch_size)
    for number in range(PROCESSES):
        if mine := batches[number::PROCESSES]:
            python, images = process(base, number), torch.cat(mine)
            drawn[images, :3] = torch.tensor([crop_then_flip(python) for _ in range(len(images))])
            numpy = np.random.RandomState(seed)
            drawn[images, 3:] = torch.from_numpy(numpy.randint(SIZE, size=(len(images), 2)))
    top, left, flip, row, column = drawn.unbind(1)
    return _Draws(top, left, flip.bool(), row, column)


@dataclass(frozen=True)
class TrainingData(Data):
    """CIFAR-10 as the release's training draws it: crop, flip, cutout."""

    random: Tensor | None = None  # torch's CPU generator before the first epoch
    seed: int = 0  # of NumPy

    def begin(self, seed: int) -> Data:
        return replace(self, random=torch.get_rng_state(), seed=seed)

    def epoch(self, seed: int, epoch: int, batch_size: int, reshuffle: bool = True) -> Epoch:
        """In the loader's order, whatever *seed* is. After each epoch the loader of the test takes a base seed too."""
        generator = torch.Generator()
        generator.set_state(self.random)
        images = len(self.train_labels)
        for _ in range(epoch):
            begin(images, generator)
            base_seed(generator)
        base, order = begin(images, generator)
        drawn = _draws(base, order, batch_size, self.seed)
        device = self.train_labels.device
        drawn = _Draws(*(getattr(drawn, field.name).to(device) for field in fields(drawn)))

        def batches(indices: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
            for batch in indices:
                yield drawn.of(batch).apply(self.train_images[batch]), self.train_labels[batch]

        return Epoch(order, batches)


def training_data(data: Data) -> TrainingData:
    return TrainingData(**{field.name: getattr(data, field.name) for field in fields(data)})
