"""CIFAR-10 and CIFAR-100 (50,000 images to train and 10,000 to test on, 32x32 pixels), as DARTS trains on them.

The images stay on the device; crop, flip and cutout are done there, a batch at a time. Scores take their batch from the
second half of the training images, with crop and flip, as DARTS and FreeDARTS train gates.
"""

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from freedarts.files import InputError
from freedarts.tasks import Data

MEAN = (0.49139968, 0.48215827, 0.44653124)
STD = (0.24703233, 0.24348505, 0.26158768)
PADDING = 4
CUTOUT = 16


def load(dataset_class: type, folder: Path, classes: int) -> Data:
    """*dataset_class* is torchvision's; it checks the files in *folder* against their digests."""
    try:
        train, test = (dataset_class(folder, train=part) for part in (True, False))
    except RuntimeError as error:
        check_place(dataset_class, folder)
        raise InputError(f"{folder}: {dataset_class.__name__} is missing or damaged ({error})") from None

    def tensors(part) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(part.targets)

    return Data(
        *tensors(train),
        *tensors(test),
        classes=classes,
        train=augment,
        test=normalise,
        score=crop_and_flip,
        score_from=len(train.targets) // 2,
    )


def check_place(dataset_class: type, folder: Path) -> None:
    """Raise InputError if the files lie elsewhere in *folder* than torchvision, which would load them from the network
    once more, looks for them."""
    expected, (first, _) = folder / dataset_class.base_folder, dataset_class.train_list[0]
    elsewhere = next((path.parent for path in sorted(folder.rglob(first)) if path.is_file()), expected)
    if elsewhere != expected and not expected.exists():
        raise InputError(f"{elsewhere}: holds {first} of {dataset_class.__name__}; move its files to {expected}")


def normalise(images: Tensor, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD) -> Tensor:
    """Bytes (N, 3, H, W) to float32 with mean 0 and standard deviation 1 where the images have *mean* and *std*; those
    of DARTS if left out."""
    return standardise(images.float() / 255, mean, std)


def standardise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """The same, of numbers from 0 to 1."""
    mean, std = _statistics(mean, std, images.device)
    return (images - mean) / std


@cache  # a copy to the device in every batch would wait for it
def _statistics(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor([mean, std], device=device).view(2, 1, 3, 1, 1)


def augment(images: Tensor) -> Tensor:
    """`crop_and_flip`, then cutout (DeVries and Taylor, 2017) of a square of 16 pixels, cut off at the border:
    (N, 3, 32, 32) bytes to float32."""
    n, _, height, width = images.shape
    images, device = crop_and_flip(images), images.device
    return cut(images, torch.randint(height, (n,), device=device), torch.randint(width, (n,), device=device))


def cut(images: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Cutout around the centres (N,) of images (N, 3, H, W)."""
    _, _, height, width = images.shape
    rows, columns = _span(row[:, None], height), _span(column[:, None], width)
    return images.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0.0)


def crop_and_flip(images: Tensor) -> Tensor:
    """Random crop with 4 pixels of padding, random flip, normalisation: (N, 3, 32, 32) bytes to float32."""
    return normalise(shift(images, PADDING))


def shift(images: Tensor, padding: int, flip: bool = True) -> Tensor:
    """Random crop with *padding*, then a random flip; shape and type stay: (N, 3, H, W)."""
    n, device = len(images), images.device
    top, left = torch.randint(2 * padding + 1, (2, n), device=device)
    return moved(images, padding, top, left, torch.rand(n, device=device) < 0.5 if flip else None)


def moved(images: Tensor, padding: int, top: Tensor, left: Tensor, flip: Tensor | None) -> Tensor:
    """The crops of padded images from top and left (N,), then flipped where *flip* (N,) says so; shape and type stay:
    (N, 3, H, W)."""
    n, _, height, width = images.shape
    device = images.device
    padded = F.pad(images, [padding] * 4)
    columns = torch.arange(width, device=device)
    rows = top[:, None] + torch.arange(height, device=device)
    if flip is not None:
        columns = torch.where(flip[:, None], width - 1 - columns, columns)
    columns = left[:, None] + columns
    index = torch.arange(n, device=device)[:, None, None, None], torch.arange(3, device=device)[:, None, None]
    return padded[*index, rows[:, None, :, None], columns[:, None, None, :]]


def _span(centre: Tensor, size: int) -> Tensor:
    """Whether each of *size* positions lies in the cutout around each centre (N, 1): (N, size)."""
    offset = torch.arange(size, device=centre.device) - centre
    return (offset >= -CUTOUT // 2) & (offset < CUTOUT // 2)
