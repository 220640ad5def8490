"""A replayed step against a trained one: `python -m benchmarks.replay --data data/cifar10.json`.

The network of FreeDARTS† on CIFAR-10, smaller where told, takes its first steps as a replay does. The baseline is a
training's steps on a batch that is there already: with the weights as built, as a replay has them, and with channels
last, as a training has them. They take turns.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from benchmarks import ROOT, default_catalogue
from freedarts import genotype, spaces
from freedarts.training.protocol import Protocol
from freedarts.training.replay import Replay, replay
from freedarts.training.steps import Steps, drop_path, optimizer

LOG = "cifar10-dagger"
GENOTYPE = ROOT / "resources/genotypes/published-synflow/darts-20/seed1.json"


def trained(settings: dict, steps: int, memory_format: torch.memory_format, device: torch.device) -> float:
    """Seconds of a step."""
    protocol, classes = Protocol(**settings["protocol"]), settings["network"]["classes"]
    network = spaces.load(settings["space"]).network(genotype.read(GENOTYPE), **settings["network"])
    network.to(device, memory_format=memory_format).train()
    network.drop_path = drop_path(protocol, device)
    taken = Steps(network, optimizer(network, protocol), protocol, memory_format=memory_format)
    inputs = torch.randn(protocol.batch_size, 3, 32, 32, device=device)
    labels = torch.arange(protocol.batch_size, device=device) % classes
    start = time.perf_counter()
    for _ in range(steps):
        _, loss, _ = taken.take(inputs, labels, protocol.learning_rate)
    loss.item()  # waits for the device
    return (time.perf_counter() - start) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="manifest of CIFAR-10")
    parser.add_argument("--gpus", type=int, choices=(0, 1), default=0)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if arguments.gpus else "cpu")
    settings = json.loads(default_catalogue().replay_settings(LOG))
    settings["network"] |= {"channels": arguments.channels, "cells": arguments.cells}
    job = Replay(GENOTYPE, settings, "run1", arguments.steps, arguments.data)
    ratios = {"weights as built": [], "channels last": []}
    for _ in range(arguments.pairs):
        replayed = replay(job, device)["seconds"]
        for name, layout in zip(ratios, (torch.contiguous_format, torch.channels_last), strict=True):
            ratios[name].append(replayed / trained(settings, arguments.steps, layout, device))
    print(
        json.dumps(
            {
                "network": f"C={arguments.channels}, L={arguments.cells}, batch {settings['protocol']['batch_size']}",
                "seconds of a replayed step, the last": replayed,
                "a replayed step, of a trained one; median and range of pairs": {
                    name: [statistics.median(all), min(all), max(all)] for name, all in ratios.items()
                },
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
