"""Train the final network of a genotype, resumably.

Writes metrics.json and, beside it, history.csv, protocol.json and weights.safetensors.

Exit status: 0 done, 1 bad input, 75 stopped by SIGTERM or SIGUSR1 with its state saved: the same command goes on.
"""

import argparse
import sys
from pathlib import Path

from freedarts import tasks
from freedarts.commands import schema
from freedarts.jobs import slurm
from freedarts.jobs.checkpoints import Interrupted, StopSignals
from freedarts.jobs.driver import stop_with_driver
from freedarts.jobs.environment import add_options, engine
from freedarts.study.settings import parse
from freedarts.training import processes
from freedarts.training.retrain import Run, retrain


def configure(parser: argparse.ArgumentParser) -> argparse.Action:
    parser.add_argument("--genotype", required=True, type=Path, help="genotype, JSON")
    parser.add_argument("--task", required=True, help="name of the task")
    parser.add_argument("--run", required=True, type=int, help="repetition, 0 to 999")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the search; the training's is 1000 times that plus --run"
    )
    settings = parser.add_argument(
        "--settings", required=True, help="JSON: space, dataset, network and protocol of the task"
    )
    parser.add_argument("--data", type=Path, help="manifest of the data set, for all but digits")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="folder (default checkpoints)")
    add_options(parser, several=True)
    parser.add_argument("--workers", type=int, default=0, help="processes that read images (default 0), for ImageNet")
    parser.add_argument("--output", required=True, type=Path, help="metrics.json")
    return settings


def main(arguments: argparse.Namespace) -> None:
    chosen = engine(arguments, processes.rank())
    settings = parse(arguments.settings, "retrain_settings", schema(), tasks.known(arguments.data))
    signals = StopSignals()
    stop_with_driver()
    which = (arguments.genotype, arguments.task, settings, arguments.run, arguments.seed)
    job = Run(*which, arguments.data, arguments.workers)
    try:
        retrain(job, chosen, arguments.checkpoints, lambda: signals.received, arguments.output)
    except Interrupted as interrupted:
        print(interrupted, file=sys.stderr)
        if processes.rank() == 0 and slurm.requeue():
            print("SLURM has put this job back into its queue", file=sys.stderr)
        sys.exit(75)
