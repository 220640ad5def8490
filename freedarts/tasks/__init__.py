"""Data sets. A data set is a module of this package with `load(folder) -> Data`; folder holds what was downloaded.

Imports no torch by itself."""

from __future__ import annotations

import importlib
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


DATASETS = {
    "digits": Facts(10, 32, 1437),
    "cifar10": Facts(10, 32, 50_000),
    "cifar100": Facts(100, 32, 50_000),
    "imagenet": Facts(1000, 224, 1_281_167),
}
DOWNLOADED = ("cifar10", "cifar100")
FOLDERS = ("imagenet",)  # image folders that the user puts, or links, into data/


def identity(images: Tensor) -> Tensor:
    return images


@dataclass(frozen=True)
class Data:
    """A data set in memory: images (N, 3, H, W) of any type and labels (N,) int64.

    train and test turn a batch of images into the network's input, float32; train may draw random numbers.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int
    train: Callable[[Tensor], Tensor] = identity
    test: Callable[[Tensor], Tensor] = identity

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


def load(dataset: str, folder: Path | None = None, workers: int = 0) -> Data:
    """workers: processes that read images, for image folders."""
    if folder is None and dataset in (*DOWNLOADED, *FOLDERS):
        raise InputError(f"--data: the manifest of {dataset} is needed, as `snakemake data/{dataset}.json` makes it")
    module = _module(dataset)
    return module.load(folder, workers) if dataset in FOLDERS else module.load(folder)


def source(dataset: str) -> type:
    """torchvision's class for a data set that is downloaded."""
    return _module(dataset).SOURCE
