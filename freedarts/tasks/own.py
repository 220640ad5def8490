"""Image folders of the user's, from the manifest that the rule read_images writes.

Small images (freedarts.tasks.Facts) are cropped to a square and scaled; to train on, shifted by up to an eighth of
their size, and flipped. Those that fit are decoded once and held in memory, as CIFAR is. Large ones are transformed as
ImageNet is: to train on, a random part of the image, flipped; to test on, the middle.
"""

from collections.abc import Callable
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

import torch
from torch import Tensor
from torchvision import transforms as T

from freedarts.files import InputError, read_json
from freedarts.tasks import Data, Facts, cifar, folders, images
from freedarts.tasks.imagefolder import FolderData, Listed


def load(manifest: Path, workers: int = 0, color_jitter: bool = False, whole: bool = True) -> Data | FolderData:
    """InputError unless the folder holds what it held when the manifest was made. whole: as in freedarts.tasks.load."""
    content = read_json(manifest, ("settings", "facts", "mean", "std", "sha256"))
    settings, facts = content["settings"], Facts(**content["facts"])
    listing = folders.listing(**settings)
    if listing.sha256 != content["sha256"]:
        raise InputError(f"{settings['folder']}: has changed since {manifest} was made; run `snakemake {manifest}`")
    root, flip, constants = Path(settings["folder"]), settings.get("flip", True), (content["mean"], content["std"])
    if whole and facts.held:
        return _hold(root, listing, facts, flip, constants, workers)
    train, test = _transforms(facts, flip)
    parts = Listed(root, listing.train, train), Listed(root, listing.test, test)
    return FolderData(*parts, workers, constants, color_jitter)


def _hold(root: Path, listing: folders.Listing, facts: Facts, flip: bool, constants: tuple, workers: int) -> Data:
    def pixels(image: str) -> Tensor:
        return torch.from_numpy(images.read(root / image, facts.image_size)).permute(2, 0, 1)

    tensors = []
    with ThreadPool(max(workers, 1)) as pool:
        for part in (listing.train, listing.test):
            names = [image for name in sorted(part) for image in part[name]]
            labels = [label for label, name in enumerate(sorted(part)) for _ in part[name]]
            tensors += [torch.stack(pool.map(pixels, names)), torch.tensor(labels)]
    mean, std = map(tuple, constants)
    test = partial(cifar.normalise, mean=mean, std=std)

    def train(batch: Tensor) -> Tensor:
        return test(cifar.shift(batch, facts.image_size // 8, flip))

    return Data(*tensors, classes=facts.classes, train=train, test=test, score=train)


def _transforms(facts: Facts, flip: bool) -> tuple[Callable, Callable]:
    """To train and to test on, for one image after the other, to bytes."""
    size = facts.image_size
    if facts.small:
        test = [T.Lambda(partial(images.fit, size=size))]
        train = [*test, T.RandomCrop(size, size // 8)]
    else:
        test = [T.Lambda(images.slim), T.Resize(size * 256 // 224), T.CenterCrop(size)]
        train = [T.RandomResizedCrop(size)]
    train += [T.RandomHorizontalFlip()] if flip else []
    return T.Compose([*train, T.PILToTensor()]), T.Compose([*test, T.PILToTensor()])
