"""Images per second of a training, ours against a plain loop of the release's kind: `python -m benchmarks.training`.

The plain loop is float32 with channels first; workers transform one image at a time (torchvision, and cutout in numpy),
and the loss is read after every step. Network, batch, protocol and images (random bytes) are the same. Both train in
one process, epoch about; the first epoch of each, which compiles or records, is left out. On a GPU: `--device cuda
--steps 100`, where ours takes the way that preflight finds, and bfloat16, and the plain loop has TF32, which is torch's
default.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks import ROOT, default_catalogue
from freedarts import genotype, spaces, training
from freedarts.jobs.environment import AUTO, EAGER, Engine, set_up, use_bf16
from freedarts.jobs.memory import peak_memory
from freedarts.tasks import Data, cifar
from freedarts.training.preflight import preflight
from freedarts.training.protocol import Protocol

GENOTYPE = ROOT / "resources/genotypes/published-synflow/darts-20/seed1.json"


def cutout(image: torch.Tensor) -> torch.Tensor:
    y, x = np.random.randint(32, size=2)
    mask = np.ones((32, 32), np.float32)
    mask[max(0, y - 8) : y + 8, max(0, x - 8) : x + 8] = 0
    return image * torch.from_numpy(mask)


class Images(Dataset):
    def __init__(self, pixels: np.ndarray, labels: torch.Tensor):
        self.pixels, self.labels = pixels, labels
        crop = (transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip())
        normalise = transforms.Normalize(cifar.MEAN, cifar.STD)
        self.transform = transforms.Compose([*crop, transforms.ToTensor(), normalise, cutout])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


class Plain:
    """The plain loop, an epoch a call, which returns seconds."""

    def __init__(self, network: nn.Module, images: Images, protocol: Protocol, device: torch.device, workers: int):
        self.network, self.protocol, self.device = network.to(device), protocol, device
        sgd = (protocol.learning_rate, protocol.momentum)
        self.optimizer = torch.optim.SGD(network.parameters(), *sgd, weight_decay=protocol.weight_decay)
        pin = device.type == "cuda"
        keep = workers > 0
        self.loader = DataLoader(
            images, protocol.batch_size, shuffle=True, num_workers=workers, pin_memory=pin, persistent_workers=keep
        )

    def epoch(self, epoch: int) -> float:
        self.network.train()
        self.network.drop_path = torch.tensor(self.protocol.drop_path_at(epoch), device=self.device)
        start = time.perf_counter()
        for inputs, labels in self.loader:
            inputs, labels = inputs.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            logits, auxiliary = self.network(inputs)
            loss = F.cross_entropy(logits, labels) + self.protocol.auxiliary_weight * F.cross_entropy(auxiliary, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), self.protocol.gradient_clip)
            self.optimizer.step()
            (logits.argmax(1) == labels).float().mean().item()
            loss.item()
        return time.perf_counter() - start


def compare(channels: int, cells: int, batch: int, steps: int, runs: int, device: torch.device, workers: int) -> dict:
    task = default_catalogue().config["tasks"]["cifar10"]
    protocol = Protocol(**task["protocol"] | {"epochs": runs + 1, "batch_size": batch})
    options = task["network"] | {"channels": channels, "cells": cells}
    space, found = spaces.load("darts"), genotype.read(GENOTYPE)
    networks = [space.network(found, **options) for _ in range(2)]
    pixels = np.random.default_rng(0).integers(0, 256, (batch * steps, 32, 32, 3), dtype=np.uint8)
    labels = torch.arange(len(pixels)) % 10
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    data = Data(images, labels, images[:2], labels[:2], 10, train=cifar.augment, test=cifar.normalise)
    plain = Plain(networks[0], Images(pixels, labels), protocol, device, workers)
    seconds, peaks = [], {}

    def after_plain(epochs: Iterable[int]) -> Iterator[int]:
        """The plain loop's epochs before those that they are paired with."""
        for epoch in epochs:
            with peak_memory(device) as peak:
                seconds.append(plain.epoch(epoch))
            peaks["plain"] = peak.mb
            with peak_memory(device) as peak:
                yield epoch
            peaks["ours"] = peak.mb

    bf16, cuda = use_bf16("auto", device), device.type == "cuda"
    engine = Engine(device, bf16, AUTO if cuda else EAGER)
    way = preflight(networks[1], 10, protocol, engine)["step"] if cuda else EAGER
    job = training.Job(progress=after_plain)
    history = training.train(networks[1], data, protocol, 0, device, bf16, way, job)
    ours = [row["train_seconds"] for row in history]
    pairs = list(zip(ours, seconds, strict=True))[1:]
    return {
        "network": f"C={channels}, L={cells}, batch {batch}",
        "images per second, ours": len(pixels) / statistics.median(first for first, _ in pairs),
        "plain": len(pixels) / statistics.median(second for _, second in pairs),
        "ratio, median of pairs": statistics.median(second / first for first, second in pairs),
        "ratios": [round(second / first, 3) for first, second in pairs],
        "GPU memory above before, MB": peaks if device.type == "cuda" else None,
        "precision, ours": "bf16" if bf16 else "float32",
        "step, ours": way,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=36)
    parser.add_argument("--cells", type=int, default=20)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--steps", type=int, default=1, help="of an epoch (default 1; on a GPU take 100)")
    parser.add_argument("--runs", type=int, default=5, help="pairs of epochs (default 5)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="of the plain loop (default 2, as in the release)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments = parser.parse_args()
    device = set_up(arguments.device, arguments.threads, fastest=True)
    torch.set_deterministic_debug_mode("default")
    torch.backends.cudnn.allow_tf32 = True
    sizes = (arguments.channels, arguments.cells, arguments.batch, arguments.steps, arguments.runs)
    print(f"{arguments.device}, {arguments.threads} threads, torch {torch.__version__}, {arguments.runs} pairs")
    print(json.dumps(compare(*sizes, device, arguments.workers), indent=1))


if __name__ == "__main__":
    main()
