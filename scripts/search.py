"""Score the gates of one supernet with one score and seed, audit the scores, write scores.json."""

import argparse
from pathlib import Path

import torch

from freedarts import scores, search
from freedarts.files import parse_settings, run, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--supernet", required=True, help="name of the supernet")
    parser.add_argument("--score", required=True, help="name of the score")
    parser.add_argument("--seed", required=True, type=int, help="of weights and gates, 0 or above")
    parser.add_argument("--settings", required=True, help="JSON: space, supernet and score, as in the configuration")
    parser.add_argument("--data", type=Path, help="manifest of the score's data set, for those that are downloaded")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1)")
    parser.add_argument("--output", required=True, type=Path, help="scores.json")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms would also import the compiler, 1 s
    settings = parse_settings(arguments.settings, ("space", "supernet", "score"))
    score = scores.from_settings(settings["score"])
    folder = arguments.data and arguments.data.with_suffix("")
    result = search.search(settings["space"], settings["supernet"], score, arguments.seed, arguments.device, folder)
    names = {key: getattr(arguments, key) for key in ("supernet", "score", "seed")}
    write_json(arguments.output, {**names, "space": settings["space"], **result})


if __name__ == "__main__":
    run(main)
