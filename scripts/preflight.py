"""Train a few steps at the full batch, on random images: peak memory, images per second, or what batch would fit.

A training on a GPU does this by itself before it begins.
"""

import argparse
from pathlib import Path

from freedarts import genotype, preflight, spaces, tasks
from freedarts.environment import set_up, use_bf16
from freedarts.files import run, write_json
from freedarts.protocol import Protocol
from freedarts.settings import parse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genotype", required=True, type=Path, help="genotype, JSON")
    parser.add_argument("--settings", required=True, help="JSON: space, dataset, network and protocol of the task")
    parser.add_argument("--data", type=Path, help="manifest of the data set, for folders that the configuration names")
    parser.add_argument("--gpus", type=int, choices=(0, 1), default=0, help="0 (default): the CPU")
    parser.add_argument("--precision", choices=("auto", "bf16", "float32"), default="auto", help="auto: bf16 on a GPU")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1)")
    parser.add_argument("--output", required=True, type=Path, help="figures, JSON")
    arguments = parser.parse_args()

    device = set_up("cuda" if arguments.gpus else "cpu", arguments.threads)
    bf16 = use_bf16(arguments.precision, device)
    tasks.register_manifest(arguments.data)
    settings = parse(arguments.settings, "retrain_settings")
    found = genotype.read_trainable(arguments.genotype, settings["space"])
    network = spaces.load(found.space).network(found, **settings["network"])
    protocol = Protocol(**settings["protocol"])
    result = preflight.preflight(network, settings["network"]["classes"], protocol, device, bf16)
    write_json(arguments.output, result)
    print(f"{result['peak_memory_mb']:.0f} MB, {result['images_per_second']:.1f} images per second")


if __name__ == "__main__":
    run(main)
