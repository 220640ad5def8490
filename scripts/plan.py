"""List what a target still needs, with an estimate of the hours, from what `snakemake --summary TARGET` prints."""

import argparse
import sys
from pathlib import Path

from freedarts.commands import parse_in_folder
from freedarts.files import parse_settings, run, write_text
from freedarts.results import plan
from freedarts.study.settings import read_yaml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="what the summary on standard input is of")
    parser.add_argument("--settings", required=True, help="JSON: epochs and gpus of every task that can be trained")
    parser.add_argument("--epochs", required=True, type=Path, help="YAML: seconds of an epoch, where none was measured")
    parser.add_argument("--output", required=True, type=Path, help="plan.md")
    arguments = parse_in_folder(parser)

    tasks = parse_settings(arguments.settings, ("tasks",))["tasks"]
    stated = plan.estimates(tasks, read_yaml(arguments.epochs), str(arguments.epochs))
    seconds = {**stated, **plan.measured(tasks, Path("results"))}
    text = plan.markdown(arguments.target, plan.pending(sys.stdin.read(), arguments.folder), tasks, seconds)
    write_text(arguments.output, text)


if __name__ == "__main__":
    run(main)
