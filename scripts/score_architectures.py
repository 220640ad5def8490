"""Score a sample of the architectures of NAS-Bench-201, or all 15,625, each as a network of its own; resumably.

Exit status: 0 done, 1 bad input, 75 stopped by SIGTERM or SIGUSR1 with its state saved: the same command goes on.
"""

import argparse
import sys
import time
from pathlib import Path

from freedarts import tasks
from freedarts.architectures.scores import finite, resumable
from freedarts.commands import schema
from freedarts.files import run, write_json
from freedarts.jobs.checkpoints import Interrupted, StopSignals
from freedarts.jobs.driver import stop_with_driver
from freedarts.jobs.environment import set_up, versions
from freedarts.study.settings import parse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", required=True, help="name of the score")
    parser.add_argument("--architectures", required=True, type=int, help="how many, 1 to 15625")
    parser.add_argument("--seed", required=True, type=int, help="of the sample, the weights and the batch")
    parser.add_argument("--settings", required=True, help="JSON: the score's entry under architecture_scores")
    parser.add_argument("--data", type=Path, help="manifest of the score's data set, for all but digits")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="folder (default checkpoints)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1)")
    parser.add_argument("--output", required=True, type=Path, help="indices and scores, JSON")
    arguments = parser.parse_args()

    set_up("cpu", arguments.threads)
    settings = parse(arguments.settings, "architecture_score", schema(), tasks.known(arguments.data))
    signals, start = StopSignals(), time.perf_counter()
    stop_with_driver()
    job = (settings, arguments.architectures, arguments.seed, arguments.data, arguments.checkpoints)
    try:
        scores = resumable(*job, lambda: signals.received)
    except Interrupted as interrupted:
        print(interrupted, file=sys.stderr)
        sys.exit(75)
    names = {"score": arguments.score, "seed": arguments.seed, "proxy": settings["proxy"]}
    seconds = time.perf_counter() - start  # of this call alone, if another was stopped
    result = {**names, "architectures": list(scores), "scores": finite(scores), "seconds": seconds}
    write_json(arguments.output, {**result, "versions": versions()})


if __name__ == "__main__":
    run(main)
