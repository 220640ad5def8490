"""Train a few steps at the full batch, on random images: peak memory, images per second, or what batch would fit.

A training on a GPU does this by itself before it begins.
"""

import argparse
from pathlib import Path

from freedarts import genotype, preflight, spaces, tasks
from freedarts.environment import add_options, engine
from freedarts.files import run, write_json
from freedarts.protocol import Protocol
from freedarts.settings import parse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genotype", required=True, type=Path, help="genotype, JSON")
    parser.add_argument("--settings", required=True, help="JSON: space, dataset, network and protocol of the task")
    parser.add_argument("--data", type=Path, help="manifest of the data set, for folders that the configuration names")
    add_options(parser, several=True)
    parser.add_argument("--output", required=True, type=Path, help="figures, JSON")
    arguments = parser.parse_args()

    chosen = engine(arguments)
    tasks.register_manifest(arguments.data)
    settings = parse(arguments.settings, "retrain_settings")
    found = genotype.read_trainable(arguments.genotype, settings["space"])
    network = spaces.load(found.space).network(found, **settings["network"])
    protocol = Protocol(**settings["protocol"])
    result = preflight.preflight(network, settings["network"]["classes"], protocol, chosen)
    write_json(arguments.output, result)
    print(f"{result['peak_memory_mb']:.0f} MB, {result['images_per_second']:.1f} images per second")


if __name__ == "__main__":
    run(main)
