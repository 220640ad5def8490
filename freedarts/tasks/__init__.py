"""Data sets. A data set is a module of this package with `load(folder) -> Data`; folder holds what was downloaded.
Image folders of the user's are all read by the module `own`, from their manifests.

Imports no torch by itself."""

from __future__ import annotations

import importlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from freedarts.files import InputError, nearest, read_json

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Facts:
    """What can be said of a data set without opening an image."""

    classes: int
    image_size: int  # height and width after the transforms
    train_images: int
    sampled_images: int  # how many of them a score can take its batch from
    test_images: int

    @property
    def small(self) -> bool:
        """Whether the images are transformed as those of CIFAR are, not as those of ImageNet."""
        return self.image_size <= 96

    @property
    def megabytes(self) -> int:
        """Of all images, decoded."""
        return 3 * self.image_size**2 * (self.train_images + self.test_images) // 10**6

    @property
    def held(self) -> bool:
        """Whether a training decodes them once and holds them in memory; else other processes read them, each epoch."""
        return self.small and self.megabytes <= 1000


# The built-in ones.
DATASETS = {
    "digits": Facts(10, 32, 1437, 1437, 360),
    "cifar10": Facts(10, 32, 50_000, 25_000, 10_000),
    "cifar100": Facts(100, 32, 50_000, 25_000, 10_000),
    "imagenet": Facts(1000, 224, 1_281_167, 1_281_167, 50_000),
}
PARTS = ("train", "test")
OWN, RELEASED = DRAWS = ("own", "released")  # whose random draws: this project's, or the release's made again
DRAWN_AGAIN = "cifar10"  # the data set of which the release's draws are known
DOWNLOADED = ("cifar10", "cifar100")
FOLDERS = ("imagenet",)  # image folders that the user puts, or links, into data/
IN_DATA = (*DOWNLOADED, *FOLDERS)


def known(manifest: Path | None = None) -> dict[str, Facts]:
    """The data sets that a job can use: the built-in ones, and that of *manifest*, if it is of an image folder of the
    user's."""
    content = read_json(manifest) if manifest and not manifest.is_dir() else {}
    if "facts" not in content:
        return dict(DATASETS)
    try:
        return {**DATASETS, content["dataset"]: Facts(**content["facts"])}
    except (KeyError, TypeError):
        raise InputError(f"{manifest}: facts: not as the rule read_images writes them") from None


def same_classes(folder: Path, train: Iterable[str], test: Iterable[str], test_name: str) -> None:
    """Raise InputError unless both parts of *folder* have the same classes."""
    if odd := sorted(set(train) ^ set(test)):
        raise InputError(f"{folder}: class {odd[0]!r} is in only one of train/ and {test_name}/")


def needs_manifest(dataset: str) -> bool:
    return dataset in IN_DATA or dataset not in DATASETS


def identity(manifest: Path | None) -> str:
    """What a manifest says of the images themselves: a folder that moves is the same data set."""
    if manifest is None:
        return ""
    content = read_json(manifest)
    content.get("settings", {}).pop("folder", None)
    return json.dumps(content, indent=1) + "\n"


def module(dataset: str) -> str:
    """The module of this package that loads a data set."""
    return f"tasks.{dataset if dataset in DATASETS else 'own'}"


def unchanged(images: Tensor) -> Tensor:
    return images


@dataclass(frozen=True)
class Epoch:
    """Of a training. order: of the images (N,), on the CPU. batches: takes indices of images, batch after batch, which
    lie where the labels do, and gives their input and labels."""

    order: Tensor
    batches: Callable[[Iterable[Tensor]], Iterator[tuple[Tensor, Tensor]]]


def epoch_seed(seed: int, epoch: int) -> int:
    return seed * 1_000_003 + epoch


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
    train: Callable[[Tensor], Tensor] = unchanged
    test: Callable[[Tensor], Tensor] = unchanged
    score: Callable[[Tensor], Tensor] = unchanged
    score_from: int = 0

    def to(self, device: torch.device) -> Data:
        names = ("train_images", "train_labels", "test_images", "test_labels")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def begin(self, seed: int) -> Data:
        """For a training with *seed* whose network is built, so that torch's generator stands behind its weights."""
        return self

    def epoch(self, seed: int, epoch: int, batch_size: int, reshuffle: bool = True) -> Epoch:
        """A function of its arguments alone, so that a training that was killed takes up the same order. Without
        *reshuffle* every epoch has the order of the first."""
        import torch

        generator = torch.Generator().manual_seed(epoch_seed(seed, epoch if reshuffle else 0))
        order = torch.randperm(len(self.train_labels), generator=generator)
        return Epoch(order, lambda indices: self.train_batches(indices, epoch_seed(seed, epoch)))

    def train_batches(self, batches: Iterable[Tensor], seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Input and labels of the training images with the given indices, which lie where the labels do, batch after
        batch. Random numbers come from torch's generator; image folders, which read in other processes, derive them
        from *seed* instead."""
        for batch in batches:
            yield self.train(self.train_images[batch]), self.train_labels[batch]

    def test_batches(self, size: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """By default 256 images each; on a GPU, which small batches leave idle, as many as have 2**20 pixels."""
        if size is None:
            pixels = self.test_images[0, 0].numel()
            size = 256 if self.test_images.device.type == "cpu" else max(256, 2**20 // pixels)
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
    return importlib.import_module(f"freedarts.{module(dataset)}")


def load(
    dataset: str,
    manifest: Path | None = None,
    workers: int = 0,
    color_jitter: bool = False,
    whole: bool = True,
    draw: str = OWN,
) -> Data:
    """For image folders, workers: processes that read images; color_jitter: whether to change their colors. whole:
    false where a few images are needed, for which a folder of the user's is not read into memory. draw: one of DRAWS,
    for a training."""
    if draw == RELEASED:
        check_draw(dataset, draw)
        from freedarts.tasks.released import training_data

        return training_data(load(dataset, manifest))
    if manifest is None and needs_manifest(dataset):
        raise InputError(f"--data: the manifest of {dataset} is needed, as `snakemake data/{dataset}.json` makes it")
    if dataset not in DATASETS:
        return _module(dataset).load(manifest, workers, color_jitter, whole)
    folder = manifest and manifest.with_suffix("")
    return _module(dataset).load(folder, *([workers, color_jitter] if dataset in FOLDERS else []))


def unknown(dataset: object, datasets: Mapping[str, Facts]) -> str | None:
    """What is wrong with the name of a data set, if it is none of *datasets*."""
    if dataset in datasets:
        return None
    allowed = f"{', '.join(datasets)}, and those under `datasets`, for a job with their --data"
    return f"{dataset!r}; allowed: {allowed}{nearest(dataset, datasets)}"


def check_draw(dataset: object, draw: object) -> None:
    """Raise InputError unless the images of *dataset* can be drawn so."""
    if draw not in DRAWS:
        raise InputError(f"draw {draw!r} of {dataset}; allowed: {', '.join(DRAWS)}")
    if draw == RELEASED and dataset != DRAWN_AGAIN:
        raise InputError(f"draw {draw!r} of {dataset}; allowed with {DRAWN_AGAIN} alone")


def check_batch(
    datasets: Mapping[str, Facts], dataset: object, batch_size: object, part: object = "train", draw: object = OWN
) -> None:
    """Raise InputError unless a score can take a batch of so many images from that part of *dataset*."""
    if fault := unknown(dataset, datasets):
        raise InputError(f"score settings: data of {fault}")
    if part not in PARTS:
        raise InputError(f"score settings: the part {part!r} of {dataset}; allowed: {', '.join(PARTS)}")
    try:
        check_draw(dataset, draw)
    except InputError as error:
        raise InputError(f"score settings: {error}") from None
    facts = datasets[dataset]
    images = facts.sampled_images if part == "train" else facts.test_images
    if type(batch_size) is not int or not 1 <= batch_size <= images:
        raise InputError(f"score settings: a batch of {batch_size!r} images of {dataset}; allowed: 1 to {images}")


def batch(
    dataset: str, batch_size: int, seed: int, manifest: Path | None = None, part: str = "train", draw: str = OWN
) -> tuple[Tensor, Tensor]:
    """Input (batch_size, 3, H, W) and labels (batch_size,) of different images for a score.

    The random numbers that choose and transform them come from *seed*; torch's generator is left as it is.
    """
    import torch

    check_batch(known(manifest), dataset, batch_size, part, draw)
    if draw == RELEASED:
        raise InputError(
            f"draw {draw!r} of {dataset}; allowed for searches alone, each in a space that the release searched"
        )
    data = load(dataset, manifest, whole=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(f"batch {seed}".encode()))  # another stream than the weights of this seed have
        return data.sample(batch_size, part)


def source(dataset: str) -> type:
    """torchvision's class for a data set that is downloaded."""
    return _module(dataset).SOURCE
