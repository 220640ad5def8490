"""Train the final network of a genotype, resumably; write metrics.json, history.csv, protocol.json and weights.

Exit status: 0 done, 1 bad input, 75 stopped by SIGTERM or SIGUSR1 with its state saved: the same command goes on.
"""

import argparse
import sys
from pathlib import Path

from freedarts import tasks
from freedarts.checkpoints import Interrupted, StopSignals
from freedarts.driver import stop_with_driver
from freedarts.environment import set_up, use_bf16
from freedarts.files import run
from freedarts.retrain import Run, retrain
from freedarts.settings import parse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genotype", required=True, type=Path, help="genotype, JSON")
    parser.add_argument("--task", required=True, help="name of the task")
    parser.add_argument("--run", required=True, type=int, help="training seed, 0 or above")
    parser.add_argument("--settings", required=True, help="JSON: space, dataset, network and protocol of the task")
    parser.add_argument("--data", type=Path, help="manifest of the data set, for all but digits")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="folder (default checkpoints)")
    parser.add_argument("--gpus", type=int, choices=(0, 1), default=0, help="0 (default): the CPU")
    parser.add_argument("--precision", choices=("auto", "bf16", "float32"), default="auto", help="auto: bf16 on a GPU")
    parser.add_argument("--workers", type=int, default=0, help="processes that read images (default 0), for ImageNet")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1); results depend on it")
    parser.add_argument("--output", required=True, type=Path, help="metrics.json")
    arguments = parser.parse_args()

    device = set_up("cuda" if arguments.gpus else "cpu", arguments.threads)
    bf16 = use_bf16(arguments.precision, device)
    tasks.register_manifest(arguments.data)
    settings = parse(arguments.settings, "retrain_settings")
    signals = StopSignals()
    stop_with_driver()
    job = Run(arguments.genotype, arguments.task, settings, arguments.run, arguments.data, arguments.workers)
    try:
        retrain(job, device, bf16, arguments.checkpoints, lambda: signals.received, arguments.output)
    except Interrupted as interrupted:
        print(interrupted, file=sys.stderr)
        sys.exit(75)


if __name__ == "__main__":
    run(main)
