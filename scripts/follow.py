"""How far a log of the release can be followed, from the runs of its replay, which lie in the current folder."""

import argparse
from pathlib import Path

from freedarts.commands import parse_in_folder, schema
from freedarts.files import parse_settings, run, write_json
from freedarts.results import read
from freedarts.study import kinds, replays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", required=True, help="name of the log, for example cifar10-dagger")
    parser.add_argument("--logs", required=True, type=Path, help="YAML: what the release's logs print")
    parser.add_argument("--settings", required=True, help="JSON: steps and runs, as in the configuration")
    parser.add_argument("--output", required=True, type=Path, help="JSON")
    arguments = parse_in_folder(parser)

    log = replays.read(arguments.logs, schema())[arguments.log]
    names = replays.runs(parse_settings(arguments.settings, ("steps", "runs")))
    results = read.results(kinds.REPLAY_RUN, [(arguments.log, names)])
    write_json(arguments.output, replays.follow(log, {run: result for (_, run), result in results.items()}))


if __name__ == "__main__":
    run(main)
