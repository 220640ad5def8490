"""Data sets. A data set is a module of this package with `load(folder) -> Data`; folder holds what was downloaded.

Imports no torch by itself."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from freedarts.files import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Facts:
    """What can be said of a data set before it is there."""

    classes: int
    image_size: int  # height and width after the transforms
    train_images: int
    sampled_images: int  # how many of them a score can take its batch from
    test_images: int


DATASETS = {
    "digits": Facts(10, 32, 1437, 1437, 360),
    "cifar10": Facts(10, 32, 50_000, 25_000, 10_000),
    "cifar100": Facts(100, 32, 50_000, 25_000, 10_000),
    "imagenet": Facts(1000, 224, 1_281_167, 1_281_167, 50_000),
}
PARTS = ("train", "test")
DOWNLOADED = ("cifar10", "cifar100")
FOLDERS = ("imagenet",)  # image folders that the user puts, or links, into data/
IN_DATA = (*DOWNLOADED, *FOLDERS)


def identity(images: Tensor) -> Tensor:
    return images


@dataclass(frozen=True)
class Data:
    """A data set in memory: images (N, 3, H, W) of any type and labels (N,) int64.

    train and test turn a batch of images into the network's input, float32; train may draw random numbers, and so may
    score, which does it for a score's training images, of which there are those from index score_from on.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int
    train: Callable[[Tensor], Tensor] = identity
    test: Callable[[Tensor], Tensor] = identity
    score: Callable[[Tensor], Tensor] = identity
    score_from: int = 0

    def to(self, device: torch.device) -> Data:
        names = ("train_images", "train_labels", "test_images", "test_labels")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def train_batches(self, batches: Iterable[Tensor], seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Input and labels of the training images with the given indices, batch after batch. Random numbers come from
        torch's generator; image folders, which read in other processes, derive them from *seed* instead."""
        for batch in batches:
            batch = batch.to(self.train_labels.device)
            yield self.train(self.train_images[batch]), self.train_labels[batch]

    def test_batches(self, size: int = 256) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in zip(self.test_images.split(size), self.test_labels.split(size), strict=True):
            yield self.test(images), labels

    def sample(self, size: int, part: str) -> tuple[Tensor, Tensor]:
        """Input and labels of *size* different images of a part, for a score; random numbers from torch's generator."""
        import torch

        if part == "test":
            chosen = torch.randperm(len(self.test_labels))[:size]
            return self.test(self.test_images[chosen]), self.test_labels[chosen]
        chosen = self.score_from + torch.randperm(len(self.train_labels) - self.score_from)[:size]
        return self.score(self.train_images[chosen]), self.train_labels[chosen]


def _module(dataset: str):
    return importlib.import_module(f"{__name__}.{dataset}")


def load(dataset: str, folder: Path | None = None, workers: int = 0, color_jitter: bool = False) -> Data:
    """For image folders, workers: processes that read images; color_jitter: whether to change their colors."""
    if folder is None and dataset in IN_DATA:
        raise InputError(f"--data: the manifest of {dataset} is needed, as `snakemake data/{dataset}.json` makes it")
    module = _module(dataset)
    return module.load(folder, workers, color_jitter) if dataset in FOLDERS else module.load(folder)


def check_batch(dataset: object, batch_size: object, part: object = "train") -> None:
    """Raise InputError unless a score can take a batch of so many images from that part of *dataset*."""
    if dataset not in DATASETS:
        raise InputError(f"score settings: data of {dataset!r}; allowed: {', '.join(DATASETS)}")
    if part not in PARTS:
        raise InputError(f"score settings: the part {part!r} of {dataset}; allowed: {', '.join(PARTS)}")
    facts = DATASETS[dataset]
    images = facts.sampled_images if part == "train" else facts.test_images
    if type(batch_size) is not int or not 1 <= batch_size <= images:
        raise InputError(f"score settings: a batch of {batch_size!r} images of {dataset}; allowed: 1 to {images}")


def batch(
    dataset: str, batch_size: int, seed: int, folder: Path | None = None, part: str = "train"
) -> tuple[Tensor, Tensor]:
    """Input (batch_size, 3, H, W) and labels (batch_size,) of different images for a score.

    The random numbers that choose and transform them come from *seed*; torch's generator is left as it is.
    """
    import torch

    check_batch(dataset, batch_size, part)
    data = load(dataset, folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(f"batch {seed}".encode()))  # another stream than the weights of this seed have
        return data.sample(batch_size, part)


def source(dataset: str) -> type:
    """torchvision's class for a data set that is downloaded."""
    return _module(dataset).SOURCE
