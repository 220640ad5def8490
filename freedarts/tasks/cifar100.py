"""CIFAR-100, from the folder that torchvision downloads it to."""

from pathlib import Path

from torchvision.datasets import CIFAR100

from freedarts.tasks import Data, cifar

SOURCE = CIFAR100


def load(folder: Path) -> Data:
    return cifar.load(SOURCE, folder, classes=100)
