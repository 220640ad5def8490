"""CIFAR-10, from the folder that torchvision downloads it to."""

from pathlib import Path

from torchvision.datasets import CIFAR10

from freedarts.tasks import Data, cifar

SOURCE = CIFAR10


def load(folder: Path) -> Data:
    return cifar.load(SOURCE, folder, classes=10)
