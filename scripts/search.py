"""Score the gates of one supernet with one score and seed, audit the scores, write scores.json."""

import argparse
from pathlib import Path

from freedarts import scores, search, tasks
from freedarts.environment import set_up
from freedarts.files import run, write_json
from freedarts.settings import parse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--supernet", required=True, help="name of the supernet")
    parser.add_argument("--score", required=True, help="name of the score")
    parser.add_argument("--seed", required=True, type=int, help="of weights and gates, 0 or above")
    parser.add_argument("--settings", required=True, help="JSON: space, supernet and score, as in the configuration")
    parser.add_argument("--data", type=Path, help="manifest of the score's data set, for all but digits")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1)")
    parser.add_argument("--output", required=True, type=Path, help="scores.json")
    arguments = parser.parse_args()

    device = set_up(arguments.device, arguments.threads)
    tasks.register_manifest(arguments.data)
    settings = parse(arguments.settings, "search_settings")
    score = scores.from_settings(settings["score"])
    options = settings["supernet"]
    result = search.search(options.pop("space"), options, score, arguments.seed, device, arguments.data)
    names = {key: getattr(arguments, key) for key in ("supernet", "score", "seed")}
    write_json(arguments.output, {**names, **result})


if __name__ == "__main__":
    run(main)
