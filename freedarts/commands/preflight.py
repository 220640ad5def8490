"""Try a few steps of a training: memory and speed.

At the full batch, on random images; where it does not fit, the largest that does. A training on a GPU does this by
itself before it begins.
"""

import argparse
from pathlib import Path

from freedarts import genotype, spaces, tasks
from freedarts.commands import schema
from freedarts.files import write_json
from freedarts.jobs.environment import add_options, engine
from freedarts.study.settings import parse
from freedarts.training import preflight
from freedarts.training.protocol import Protocol


def configure(parser: argparse.ArgumentParser) -> argparse.Action:
    parser.add_argument("--genotype", required=True, type=Path, help="genotype, JSON")
    settings = parser.add_argument(
        "--settings", required=True, help="JSON: space, dataset, network and protocol of the task"
    )
    parser.add_argument("--data", type=Path, help="manifest of the data set, for folders that the configuration names")
    add_options(parser, several=True)
    parser.add_argument("--output", required=True, type=Path, help="memory and speed, JSON")
    return settings


def main(arguments: argparse.Namespace) -> None:
    chosen = engine(arguments)
    settings = parse(arguments.settings, "retrain_settings", schema(), tasks.known(arguments.data))
    found = genotype.read_trainable(arguments.genotype, settings["space"])
    network = spaces.load(found.space).network(found, **settings["network"])
    protocol = Protocol(**settings["protocol"])
    result = preflight.preflight(network, settings["network"]["classes"], protocol, chosen)
    write_json(arguments.output, result)
    print(f"{result['step']}: {result['peak_memory_mb']:.0f} MB, {result['images_per_second']:.1f} images per second")
