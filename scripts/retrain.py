"""Train the final network of a genotype, resumably; write metrics.json, history.csv, protocol.json and weights.

Exit status: 0 done, 1 bad input, 75 stopped by SIGTERM or SIGUSR1 with its state saved: the same command goes on.
"""

import argparse
import sys
from pathlib import Path

from freedarts import cluster, distributed, tasks
from freedarts.checkpoints import Interrupted, StopSignals
from freedarts.driver import stop_with_driver
from freedarts.environment import add_options, engine
from freedarts.files import run
from freedarts.retrain import Run, retrain
from freedarts.settings import parse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genotype", required=True, type=Path, help="genotype, JSON")
    parser.add_argument("--task", required=True, help="name of the task")
    parser.add_argument("--run", required=True, type=int, help="repetition, 0 to 999")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the search; the training's is 1000 times that plus --run"
    )
    parser.add_argument("--settings", required=True, help="JSON: space, dataset, network and protocol of the task")
    parser.add_argument("--data", type=Path, help="manifest of the data set, for all but digits")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="folder (default checkpoints)")
    add_options(parser, several=True)
    parser.add_argument("--workers", type=int, default=0, help="processes that read images (default 0), for ImageNet")
    parser.add_argument("--output", required=True, type=Path, help="metrics.json")
    arguments = parser.parse_args()

    chosen = engine(arguments, distributed.rank())
    tasks.register_manifest(arguments.data)
    settings = parse(arguments.settings, "retrain_settings")
    signals = StopSignals()
    stop_with_driver()
    which = (arguments.genotype, arguments.task, settings, arguments.run, arguments.seed)
    job = Run(*which, arguments.data, arguments.workers)
    try:
        retrain(job, chosen, arguments.checkpoints, lambda: signals.received, arguments.output)
    except Interrupted as interrupted:
        print(interrupted, file=sys.stderr)
        if distributed.rank() == 0 and cluster.requeue():
            print("SLURM has put this job back into its queue", file=sys.stderr)
        sys.exit(75)


if __name__ == "__main__":
    run(main)
