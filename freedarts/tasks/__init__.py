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
    sampled_images: int = 0  # how many of them a score can take its batch from


DATASETS = {
    "digits": Facts(10, 32, 1437, 1437),
    "cifar10": Facts(10, 32, 50_000, 25_000),
    "cifar100": Facts(100, 32, 50_000, 25_000),
    "imagenet": Facts(1000, 224, 1_281_167),
}
SAMPLED = tuple(name for name, facts in DATASETS.items() if facts.sampled_images)
DOWNLOADED = ("cifar10", "cifar100")
FOLDERS = ("imagenet",)  # image folders that the user puts, or links, into data/


def identity(images: Tensor) -> Tensor:
    return images


@dataclass(frozen=True)
class Data:
    """A data set in memory: images (N, 3, H, W) of any type and labels (N,) int64.

    train and test turn a batch of images into the network's input, float32; train may draw random numbers, and so may
    sample, which does it for a score. Scores see only the training images from index sample_from on.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int
    train: Callable[[Tensor], Tensor] = identity
    test: Callable[[Tensor], Tensor] = identity
    sample: Callable[[Tensor], Tensor] = identity
    sample_from: int = 0

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


def _module(dataset: str):
    return importlib.import_module(f"{__name__}.{dataset}")


def load(dataset: str, folder: Path | None = None, workers: int = 0, color_jitter: bool = False) -> Data:
    """For image folders, workers: processes that read images; color_jitter: whether to change their colors."""
    if folder is None and dataset in (*DOWNLOADED, *FOLDERS):
        raise InputError(f"--data: the manifest of {dataset} is needed, as `snakemake data/{dataset}.json` makes it")
    module = _module(dataset)
    return module.load(folder, workers, color_jitter) if dataset in FOLDERS else module.load(folder)


def check_batch(dataset: object, size: object) -> None:
    """Raise InputError unless a score can take a batch of *size* images from *dataset*."""
    if dataset not in SAMPLED:
        raise InputError(f"score settings: data of {dataset!r}; allowed: {', '.join(SAMPLED)}")
    images = DATASETS[dataset].sampled_images
    if type(size) is not int or not 1 <= size <= images:
        raise InputError(f"score settings: a batch of {size!r} images of {dataset}; allowed: 1 to {images}")


def batch(dataset: str, size: int, seed: int, folder: Path | None = None) -> tuple[Tensor, Tensor]:
    """Input (size, 3, H, W) and labels (size,) of different training images for a score.

    The random numbers that choose and transform them come from *seed*; torch's generator is left as it is.
    """
    import torch

    check_batch(dataset, size)
    data = load(dataset, folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(f"batch {seed}".encode()))  # another stream than the weights of this seed have
        chosen = data.sample_from + torch.randperm(len(data.train_labels) - data.sample_from)[:size]
        return data.sample(data.train_images[chosen]), data.train_labels[chosen]


def source(dataset: str) -> type:
    """torchvision's class for a data set that is downloaded."""
    return _module(dataset).SOURCE
