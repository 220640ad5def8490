"""How the release's searches in NAS-Bench-201 draw their images."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from freedarts.tasks import Data, cifar, released

# Of its loader, for every channel.
MEAN = tuple(value / 255 for value in (125.3, 123.0, 113.9))
STD = tuple(value / 255 for value in (63.0, 62.1, 66.7))


def halves() -> tuple[list[int], list[int]]:
    """The images of CIFAR-10 that the benchmark trains on and those that it validates on, 25,000 each, as its file
    cifar-split.txt lists them."""
    validated = np.unpackbits(np.fromfile(Path(__file__).with_name("halves.bin"), np.uint8)).astype(bool)
    return np.flatnonzero(~validated).tolist(), np.flatnonzero(validated).tolist()


def batch(data: Data, batch_size: int) -> tuple[Tensor, Tensor]:
    """The first batch of the SNIP and GraSP notebooks, on CIFAR-10, and its labels. Their loader pairs each training
    image with one that is chosen from the validation half; those are scored. Before it the multiply-adds of the
    supernet are counted on a random image."""
    torch.rand(1, *data.train_images.shape[1:])
    training, validation = halves()
    base, _ = released.begin(len(training))
    python, chosen, draws = released.process(base), [], []
    for _ in range(batch_size):
        chosen.append(python.choice(validation))
        released.flip_then_crop(python)  # of the training image
        draws.append(released.flip_then_crop(python))
    images = released.moves(draws).crop(data.train_images[chosen])
    return cifar.normalise(images, MEAN, STD), data.train_labels[chosen]
