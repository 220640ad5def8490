"""Score the gates of a supernet, and audit the scores."""

import argparse
from pathlib import Path

from freedarts import scores, search, tasks
from freedarts.commands import schema
from freedarts.files import write_json
from freedarts.jobs.environment import set_up
from freedarts.study.settings import parse


def configure(parser: argparse.ArgumentParser) -> argparse.Action:
    parser.add_argument("--supernet", required=True, help="name of the supernet")
    parser.add_argument("--score", required=True, help="name of the score")
    parser.add_argument("--seed", required=True, type=int, help="of weights and gates, 0 or above")
    settings = parser.add_argument(
        "--settings", required=True, help="JSON: space, supernet and score, as in the configuration"
    )
    parser.add_argument("--data", type=Path, help="manifest of the score's data set, for all but digits")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1)")
    parser.add_argument("--output", required=True, type=Path, help="scores.json")
    return settings


def main(arguments: argparse.Namespace) -> None:
    device = set_up(arguments.device, arguments.threads)
    datasets = tasks.known(arguments.data)
    settings = parse(arguments.settings, "search_settings", schema(), datasets)
    score = scores.from_settings(settings["score"], datasets)
    options = settings["supernet"]
    result = search.search(options.pop("space"), options, score, arguments.seed, device, arguments.data)
    names = {key: getattr(arguments, key) for key in ("supernet", "score", "seed")}
    write_json(arguments.output, {**names, **result})
