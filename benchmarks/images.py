"""The share of reading in a training on image folders: `python -m benchmarks.images`.

JPEG files of ImageNet's usual size, made for this, are read as a training reads them. The baseline is the same training
on images that are there already: what is lost against it, reading costs. Also how long one image takes in one process,
stage by stage: a device needs as many processes as its images per second, times that. The default is a few images of a
small network, for a CPU; on a GPU `--gpus 1 --channels 48 --cells 14 --batch 320 --images 12800 --workers 16`.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks import ROOT, default_catalogue
from freedarts import genotype, spaces
from freedarts.files import write_json
from freedarts.jobs.environment import AUTO, EAGER, Engine, add_options, engine
from freedarts.tasks import imagenet
from freedarts.tasks.images import decode
from freedarts.training.protocol import Protocol
from freedarts.training.steps import Steps, optimizer

GENOTYPE = ROOT / "resources/genotypes/published-synflow/darts-imagenet/seed1.json"
SIZE = (500, 375)  # the most frequent one
DIFFERENT = 64  # files; the others are links to them


def write_images(folder: Path, count: int) -> float:
    """Two classes in train/, an image of each in val/, and the manifest; the mean of the files' bytes.
    Noise of several scales compresses like a photograph; ImageNet's files have 110 kB on average."""
    draw = np.random.default_rng(0)
    files = []
    for index in range(count):
        path = folder / "train" / f"class{index % 2}" / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if index >= DIFFERENT:
            path.hardlink_to(files[index % DIFFERENT])
            continue
        layers = [
            Image.fromarray(draw.integers(0, 256, (*(max(2, side // scale) for side in SIZE[::-1]), 3), dtype=np.uint8))
            for scale in (128, 32, 8, 2)
        ]
        pixels = sum(
            w * np.asarray(im.resize(SIZE), float) for w, im in zip((0.5, 0.25, 0.15, 0.1), layers, strict=True)
        )
        Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)
        files.append(path)
    for index in range(2):
        (folder / "val" / f"class{index}").mkdir(parents=True)
        (folder / "val" / f"class{index}" / "0.jpg").hardlink_to(files[index])
    counts = [Counter(path.parent.name for path in (folder / part).rglob("*.jpg")) for part in ("train", "val")]
    write_json(folder.with_suffix(".json"), {"train": {"images": counts[0]}, "val": {"images": counts[1]}})
    return statistics.mean(path.stat().st_size for path in files)


def stages(folder: Path) -> dict[str, float]:
    """Milliseconds of one image in one process, from the file to each stage's result; medians."""
    files = sorted((folder / "train").rglob("*.jpg"))[:DIFFERENT]
    images, found = [], {}

    def measure(name: str, change: Callable, inputs: list) -> list:
        seconds, outputs = [], []
        for value in inputs:
            start = time.perf_counter()
            outputs.append(change(value))
            seconds.append(time.perf_counter() - start)
        found[name] = round(1000 * statistics.median(seconds), 2)
        return outputs

    images = measure("decode", decode, files)
    for transform in imagenet.TRAIN.transforms:
        images = measure(type(transform).__name__, transform, images)
    return found


def speed(batches: Iterable, train: Callable | None, device: torch.device) -> float:
    """Images per second of reading *batches* and, where it is given, of a step on each; without the first batch."""
    images, start = 0, None
    for inputs, labels in batches:
        loss = train(inputs, labels) if train else inputs.flatten()[0]
        if start is None:
            loss.item()
            start = time.perf_counter()
        else:
            images += len(labels)
    loss.item()  # waits for the device
    return images / (time.perf_counter() - start)


def compare(folder: Path, channels: int, cells: int, batch: int, workers: int, chosen: Engine, runs: int) -> dict:
    config = default_catalogue().config["tasks"]["imagenet"]
    protocol = Protocol(**config["protocol"] | {"batch_size": batch})
    found, device = genotype.read(GENOTYPE), chosen.device
    network = spaces.load("darts").network(found, **config["network"] | {"channels": channels, "cells": cells})
    network.to(device, memory_format=torch.channels_last).train()
    way = EAGER if chosen.way == AUTO else chosen.way
    steps = Steps(network, optimizer(network, protocol, way), protocol, chosen.bf16, way)

    def train(inputs, labels):
        return steps.take(inputs, labels, protocol.learning_rate)[1]

    data = imagenet.load(folder, workers, protocol.color_jitter).to(device)
    batches = torch.arange(len(data.train_labels)).split(batch)
    there = torch.randn(batch, 3, 224, 224, device=device), torch.zeros(batch, dtype=torch.long, device=device)
    pairs = []
    for run in range(runs):
        pairs.append((
            speed((there for _ in batches), train, device),
            speed(data.train_batches(batches, run), train, device),
            speed(data.train_batches(batches, run), None, device),
        ))  # fmt: skip
    synthetic, real, reading = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "network": f"C={channels}, L={cells}, batch {batch}, {'bf16' if chosen.bf16 else 'float32'}",
        "images per second, already there": synthetic,
        "JPEG": real,
        "reading alone": reading,
        "share of the time that reading costs, median of pairs": statistics.median(1 - b / a for a, b, _ in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, several=True)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    chosen = engine(arguments)
    torch.set_deterministic_debug_mode("default")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "imagenet"
        size = write_images(folder, arguments.images)
        result = {
            "bytes of a file, mean": round(size),
            "ms of an image in one process": stages(folder),
            **compare(
                folder,
                *(arguments.channels, arguments.cells, arguments.batch, arguments.workers),
                chosen,
                arguments.runs,
            ),
        }
    print(f"{chosen.device}, {arguments.workers} workers, torch {torch.__version__}, {arguments.runs} pairs")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
