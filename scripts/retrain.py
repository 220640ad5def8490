"""Train the final network of a genotype; write metrics.json, and beside it history.csv, protocol.json and weights."""

import argparse
from pathlib import Path

import torch

from freedarts import training
from freedarts.files import parse_settings, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genotype", required=True, type=Path, help="genotype, JSON")
    parser.add_argument("--task", required=True, help="name of the task")
    parser.add_argument("--run", required=True, type=int, help="training seed, 0 or above")
    parser.add_argument("--settings", required=True, help="JSON: space, dataset, network and protocol of the task")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1); results depend on it")
    parser.add_argument("--output", required=True, type=Path, help="metrics.json")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    settings = parse_settings(arguments.settings, ("space", "dataset", "network", "protocol"))
    training.retrain(
        arguments.genotype, arguments.task, settings, arguments.run, torch.device(arguments.device), arguments.output
    )


if __name__ == "__main__":
    run(main)
