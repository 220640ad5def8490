"""Data sets. A data set is a module of this package with `load() -> Data`."""

import importlib
from dataclasses import dataclass

from torch import Tensor

from freedarts.files import InputError

DATASETS = ("digits",)


@dataclass(frozen=True)
class Data:
    """Images (N, 3, H, W), normalised float32, and labels (N,) int64."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int


def load(dataset: str) -> Data:
    if dataset not in DATASETS:
        raise InputError(f"task settings: dataset {dataset!r}; allowed: {', '.join(DATASETS)}")
    return importlib.import_module(f"{__name__}.{dataset}").load()
