"""The tables that are part of the package, for all 15,625 architectures in the order of the benchmark's indices.

accuracies.npz   the accuracies in VERSIONS, in sixths of an image that was classified correctly: with one to three
                 trials that loses nothing. docs/nasbench201.md says where they come from.
synflow.npz      the scores that freedarts/architectures/synflow.py computes in minutes, for SYNFLOW_SEED and the
                 benchmark's own NETWORK

`freedarts tabulate` makes them again.
"""

import csv
import hashlib
import io
from functools import cache
from pathlib import Path

import numpy as np

from freedarts.files import InputError, read_bytes, reading, replace_file
from freedarts.nasbench201 import SIZE, VERSIONS
from freedarts.spaces.nasbench201 import from_index

ACCURACIES, SYNFLOW = (Path(__file__).with_name(f"{name}.npz") for name in ("accuracies", "synflow"))
SHA256 = {
    "accuracies.npz": "ef51b4e143cf96f6d1a42f3da4f78e90e5d1105ca801525daafd5e11a61ca98e",
    "synflow.npz": "dce417858799ab1d1325d30447d0629289c1457a10f49cfb0560034c610ddd08",
}
NETWORK = {"channels": 16, "cells_per_stage": 5, "image_size": 32, "classes": 10}
SYNFLOW_SEED = 0

# Evaluated on so many images.
IMAGES = {
    "cifar10_valid": 25_000,
    "cifar10_test": 10_000,
    "cifar100_valid": 5_000,
    "cifar100_test": 5_000,
    "imagenet16_valid": 3_000,
    "imagenet16_test": 3_000,
    "cifar10_valid_12": 25_000,
}
SIXTHS = {name: 6 * images / 100 for name, images in IMAGES.items()}  # in a percent
DECIMALS = 4  # of the public tables


@cache
def accuracies(version: str) -> dict[str, np.ndarray]:
    """Mean accuracies in percent, (15625,) by name. InputError for another version than those in VERSIONS."""
    if version not in VERSIONS:
        raise InputError(f"NAS-Bench-201 version {version!r}; allowed: {', '.join(VERSIONS)}")
    table = _read(ACCURACIES, [_column(version, name) for name in VERSIONS[version]])
    return {name: table[_column(version, name)] / SIXTHS[name] for name in VERSIONS[version]}


def synflow() -> np.ndarray:
    """SynFlow of all architectures, float64 (15625,)."""
    return _read(SYNFLOW, ["scores"])["scores"]


def _column(version: str, name: str) -> str:
    """Of a table. Those of 12 epochs were published without a version; docs/nasbench201.md says why they are v1_1's."""
    return "ep12_cifar10_valid" if name == "cifar10_valid_12" else f"{version}_{name}"


def _read(path: Path, columns: list[str]) -> dict[str, np.ndarray]:
    """These columns of a table. InputError for a file that is not the one which this version of the package has."""
    content = read_bytes(path)
    if (digest := hashlib.sha256(content).hexdigest()) != (expected := SHA256[path.name]):
        raise InputError(f"{path}: its sha256 is {digest}, expected {expected}; install freedarts again")
    with np.load(io.BytesIO(content)) as table:
        return {name: table[name] for name in columns}


def write(path: Path, columns: dict[str, np.ndarray]) -> str:
    """Write a table; returns the digest that belongs into SHA256."""

    def save(partial: Path) -> None:
        with partial.open("wb") as file:
            np.savez_compressed(file, **columns)

    replace_file(path, save)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_csv(path: Path) -> dict[str, np.ndarray]:
    """The columns of accuracies.npz from those of a CSV file of the same names, with `index` and `arch`: percent to
    four decimals. InputError that names the row and what is wrong with it."""
    names = {_column(version, name): name for version, names in VERSIONS.items() for name in names}
    try:
        with reading(path), path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file ({error})") from None
    if missing := {"index", "arch", *names} - set(rows[0] if rows else ()):
        raise InputError(f"{path}: no column {min(missing)!r}; expected index, arch, {', '.join(names)}")
    if len(rows) != SIZE:
        raise InputError(f"{path}: {len(rows)} rows, expected {SIZE}")
    for index, row in enumerate(rows):
        if (row["index"], row["arch"]) != (str(index), expected := from_index(index).arch):
            where = f"{row['index']}, {row['arch']}"
            raise InputError(f"{path}: row {index + 1} is of {where}; expected {index}, {expected}")
    return {column: _sixths(rows, column, name, path) for column, name in names.items()}


def _sixths(rows: list[dict[str, str]], column: str, name: str, path: Path) -> np.ndarray:
    try:
        percent = np.array([row[column] for row in rows], float)
    except ValueError as error:
        raise InputError(f"{path}: {column}: {error}, expected percent") from None
    counts = np.round(percent * SIXTHS[name])
    wrong = ~((percent >= 0) & (percent <= 100) & (np.round(counts / SIXTHS[name], DECIMALS) == percent))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{path}: {column} of architecture {row} is {rows[row][column]}; expected percent, a mean over one, two or "
            f"three trainings on {IMAGES[name]} images, to {DECIMALS} decimals"
        )
    return counts.astype(np.uint16 if counts.max() < 2**16 else np.uint32)
