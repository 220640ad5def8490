"""Makes files in the format of NAS-Bench-201-v1_1-096897.pth, with made-up numbers.

`contents` builds the objects, for files that fit in memory; `write_large` streams a legacy file of any size.
"""

import bz2
import io
import pickle
import pickletools
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from freedarts.files import InputError
from freedarts.nasbench201 import convert as conversion
from freedarts.spaces.nasbench201 import from_index

CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
EVALUATIONS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("ori-test", "x-valid", "x-test"),
    "ImageNet16-120": ("ori-test", "x-valid", "x-test"),
}
# Architectures with one, two and three trials of 200 epochs in the released file.
TRIALS = (2225, 5439, 7961)
INDICES = [0, 1, 2, 300, 11472, 15624]


def trial(
    arch: str, dataset: str, seed: int, epochs: int, costs: tuple[float, float], rng: np.random.Generator
) -> dict:
    """One training. Of 200 epochs, all but the first evaluation exist at the last only, as in the released file."""

    def curve(high: float) -> dict[int, float]:
        return dict(enumerate(rng.uniform(0, high, epochs).tolist()))

    evaluations = EVALUATIONS[dataset]
    keys = [
        f"{name}@{epoch}"
        for name in evaluations
        for epoch in range(epochs)
        if epochs == 12 or name == evaluations[0] or epoch == epochs - 1
    ]
    seconds = float(rng.uniform(5, 50))
    params, latency = costs
    return {
        "name": dataset,
        "net_state_dict": None,
        "train_acc1es": curve(100),
        "train_acc5es": curve(100) if epochs == 12 else None,
        "train_losses": curve(5),
        "train_times": OrderedDict((epoch, seconds) for epoch in range(epochs)),
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": arch, "class_num": CLASSES[dataset]},
        "params": np.float64(params),
        "flop": float(rng.uniform(8, 220)),
        "seed": f"{seed:04d}",
        "epochs": epochs,
        "latency": [np.float64(latency)],
        "eval_names": list(evaluations),
        "eval_acc1es": dict(zip(keys, rng.uniform(0, 100, len(keys)).tolist(), strict=True)),
        "eval_losses": dict(zip(keys, rng.uniform(0, 5, len(keys)).tolist(), strict=True)),
        # The released file has new key texts here, and times of all epochs.
        "eval_times": {f"{name}@{epoch}": seconds / 8 for name in evaluations for epoch in range(epochs)},
    }


def results(index: int, arch: str, seeds: dict[str, list[int]], epochs: int, costs: tuple[float, float], rng) -> dict:
    """All trainings of one architecture with one number of epochs."""
    return {
        "arch_index": index,
        "arch_str": arch,
        "all_results": {
            (dataset, seed): trial(arch, dataset, seed, epochs, costs, rng)
            for dataset in CLASSES
            for seed in reversed(seeds[dataset])
        },
        "dataset_seed": seeds,
        "clear_net_done": True,
    }


def architecture(
    index: int, trials: int, rng, arch: str | None = None, costs: tuple[float, float] | None = None
) -> dict:
    """Both results of one architecture, with 1 to 3 *trials* of 200 epochs."""
    arch = arch or from_index(index).arch
    costs = costs or (float(rng.uniform(0.07, 1.5)), float(rng.uniform(0.007, 0.03)))
    seeds = sorted(rng.permutation([777, 888, 999])[:trials].tolist())
    less = {dataset: [111, 777] if dataset == "cifar10-valid" else [111] for dataset in CLASSES}
    return {
        "full": results(index, arch, {dataset: list(seeds) for dataset in CLASSES}, 200, costs, rng),
        "less": results(index, arch, less, 12, costs, rng),
    }


def contents(indices: list[int], trials: Callable[[int], int] = lambda index: 1 + index % 3, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    return {
        "meta_archs": [from_index(index).arch for index in range(15625)],
        "total_archs": 15625,
        "arch2infos": {index: architecture(index, trials(index), rng) for index in indices},
        "evaluated_indexes": list(indices),
    }


def from_accuracies(accuracies: dict[int, float]) -> dict:
    """Contents with nothing but the CIFAR-10 test accuracy of each architecture, in percent, as one trial."""
    value = {"meta_archs": [from_index(index).arch for index in range(15625)], "total_archs": 15625}
    value |= {"arch2infos": {}, "evaluated_indexes": sorted(accuracies)}
    for index in sorted(accuracies):
        trial = {
            "train_acc1es": {199: 100.0},
            "train_losses": {199: 0.0},
            "params": np.float64(1),
            "flop": 1.0,
            "epochs": 200,
            "eval_acc1es": {"ori-test@199": accuracies[index]},
            "eval_losses": {"ori-test@199": 0.0},
        }
        common = {"arch_index": index, "arch_str": value["meta_archs"][index]}
        value["arch2infos"][index] = {
            "full": {**common, "all_results": {("cifar10", 777): trial}, "dataset_seed": {"cifar10": [777]}},
            "less": {**common, "all_results": {}, "dataset_seed": {}},
        }
    return value


def write_legacy(path: Path, value: object) -> None:
    """As torch.save wrote until version 1.5 (and does with `_use_new_zipfile_serialization=False`)."""
    with path.open("wb") as file:
        for part in (*_header(), value, []):
            pickle.dump(part, file, protocol=2)


def _header() -> tuple[object, ...]:
    sizes = {"short": 2, "int": 4, "long": 4}
    return 0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}


def write_nats_bench(folder: Path, value: dict) -> None:
    """The same contents as a NATS-Bench tss simple folder."""
    folder.mkdir(parents=True)
    for index, entry in value["arch2infos"].items():
        data = pickle.dumps({"12": entry["less"], "200": entry["full"]})
        (folder / f"{index:06d}.pickle.pbz2").write_bytes(bz2.compress(data))


# write_large pickles an architecture with one, two and three trials as templates. Every further architecture is one of
# them with its own names and numbers in place. Placeholders for what differs in length or is written twice:
_ARCH = "|architecture|"
_COSTS = tuple(struct.unpack("<d", text)[0] for text in (b"paramete", b"latency?"))
_INDEX = 14999


class _Template:
    """The instructions that build one architecture; numpy edits all memo entries and all floats at once."""

    def __init__(self, pickler: pickle.Pickler, buffer: io.BytesIO, trials: int):
        shared = len(pickler.memo.copy())
        value = architecture(_INDEX, trials, np.random.default_rng(trials), _ARCH, _COSTS)
        data = dump(pickler, buffer, value)
        floats, indices, memo = [], [], []
        for operation, argument, position in pickletools.genops(b"\x80\2" + data + b"."):
            if operation.name == "BINFLOAT":
                floats.append(position - 1)
            elif operation.name == "BININT2" and argument == _INDEX:
                indices.append(position - 1)
            elif operation.name in ("LONG_BINPUT", "LONG_BINGET") and argument >= shared:
                memo.append((position - 1, argument - shared))
        self.data = np.frombuffer(data, np.uint8)
        self.floats = np.array(floats)[:, None] + np.arange(8)
        self.indices = np.array(indices)[:, None] + np.arange(2)
        self.memo, self.entries = np.array(memo).T
        self.memo = self.memo[:, None] + np.arange(4)
        self.size = int(self.entries.max()) + 1

    def fill(self, index: int, first: int, rng: np.random.Generator) -> bytes:
        """The instructions for architecture *index*, whose memo entries count from *first*."""
        data = self.data.copy()
        data[self.floats] = rng.uniform(0, 100, len(self.floats)).astype(">f8").view(np.uint8).reshape(-1, 8)
        data[self.memo] = (self.entries + first).astype("<u4").view(np.uint8).reshape(-1, 4)
        data[self.indices] = np.array([index], "<u2").view(np.uint8)
        filled = data.tobytes().replace(_text(_ARCH), _text(from_index(index).arch))
        for placeholder, high in zip(_COSTS, (1.5, 0.03), strict=True):
            filled = filled.replace(
                *(_text(struct.pack("<d", x).decode("latin1")) for x in (placeholder, rng.uniform(0, high)))
            )
        return filled


def _text(text: str) -> bytes:
    encoded = text.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def dump(pickler: pickle.Pickler, buffer: io.BytesIO, value: object) -> bytes:
    """The instructions for *value* alone, which may refer to all that the pickler wrote before."""
    buffer.seek(0)
    buffer.truncate()
    pickler.dump(value)
    return buffer.getvalue()[2:-1]


def write_large(path: Path, count: int, seed: int = 0) -> None:
    """A legacy file of architectures 0 to *count* - 1, at most one of them in memory, with the released file's shares
    of one, two and three trials (in this order)."""
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=2)
    head = {"meta_archs": [from_index(index).arch for index in range(15625)], "total_archs": 15625}
    entries: dict = {}
    first = architecture(0, 1, rng)
    with path.open("wb") as file:
        for part in _header():
            pickle.dump(part, file, protocol=2)
        file.write(b"\x80\2" + dump(pickler, buffer, head).removesuffix(b"u"))
        file.write(dump(pickler, buffer, "arch2infos") + dump(pickler, buffer, entries) + b"(")
        file.write(dump(pickler, buffer, 0) + dump(pickler, buffer, first))
        memo = pickler.memo.copy()
        templates = []
        for trials in (1, 2, 3):
            templates.append(_Template(pickler, buffer, trials))
            pickler.memo = memo
        position = len(memo)
        bounds = np.cumsum(TRIALS) * count / 15625
        for index in range(1, count):
            if index % 1000 == 0:  # as pickle does
                file.write(b"u(")
            template = templates[int(np.searchsorted(bounds, index, side="right"))]
            file.write(b"M" + struct.pack("<H", index) + template.fill(index, position, rng))
            position += template.size
        indices = b"".join(b"M" + struct.pack("<H", index) for index in range(count))
        file.write(b"u" + _text("evaluated_indexes") + b"](" + indices + b"eu.")
        pickle.dump([], file, protocol=2)


def convert(source: Path, folder: Path, **options) -> tuple[Path, Path]:
    trials, output = folder / "trials.parquet", folder / "architectures.parquet"
    conversion.convert(source, trials, output, **options)
    return trials, output


def refused(source: Path, folder: Path, **options) -> str:
    """The message; no table and no unfinished file may be left."""
    with pytest.raises(InputError) as error:
        convert(source, folder, **options)
    assert not list(folder.glob("*.parquet*"))
    assert not list(folder.glob(".*"))
    assert "\n" not in str(error.value)
    return str(error.value)
