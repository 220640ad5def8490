"""Take the first steps of a training of the release, with its seed and its draws, resumably.

Exit status: 0 done, 1 bad input, 75 stopped by SIGTERM or SIGUSR1 with its state saved: the same command goes on.
"""

import argparse
import sys
from pathlib import Path

from freedarts.commands import schema
from freedarts.files import write_json
from freedarts.jobs import slurm
from freedarts.jobs.checkpoints import Interrupted, StopSignals
from freedarts.jobs.driver import stop_with_driver
from freedarts.jobs.environment import set_up
from freedarts.study.settings import parse
from freedarts.training.replay import Replay, replay


def configure(parser: argparse.ArgumentParser) -> argparse.Action:
    parser.add_argument("--genotype", required=True, type=Path, help="genotype that the log was trained with, JSON")
    parser.add_argument("--log", required=True, help="name of the log, in resources/replays.yaml")
    parser.add_argument(
        "--run",
        required=True,
        help="float64 or float32: the network as it was built; run1 to run99: its weights changed by one unit in the"
        " last place; control: another seed",
    )
    parser.add_argument("--steps", type=int, default=1, help="of the first epoch (default 1)")
    settings = parser.add_argument(
        "--settings", required=True, help="JSON: space, dataset, network and protocol of the task, and training_seed"
    )
    parser.add_argument("--data", required=True, type=Path, help="manifest of CIFAR-10")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="folder (default checkpoints)")
    parser.add_argument("--gpus", type=int, choices=(0, 1), default=0, help="0 (default): the CPU; 1: a GPU")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1)")
    parser.add_argument("--output", required=True, type=Path, help="JSON")
    return settings


def main(arguments: argparse.Namespace) -> None:
    settings = parse(arguments.settings, "replay_settings", schema())
    device = set_up("cuda" if arguments.gpus else "cpu", arguments.threads)
    signals = StopSignals()
    stop_with_driver()
    job = Replay(arguments.genotype, settings, arguments.run, arguments.steps, arguments.data)
    try:
        result = replay(job, device, arguments.checkpoints, lambda: signals.received)
    except Interrupted as interrupted:
        print(interrupted, file=sys.stderr)
        if slurm.requeue():
            print("SLURM has put this job back into its queue", file=sys.stderr)
        sys.exit(75)
    write_json(arguments.output, {"log": arguments.log, **result})
