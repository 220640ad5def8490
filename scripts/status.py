"""Say what there is of the paper's numbers, trainings and searches in the current folder, what runs and is missing."""

import argparse
import os
import time
from pathlib import Path

from freedarts.commands import parse_in_folder, schema
from freedarts.files import parse_settings, run, write_text
from freedarts.results import plan, status
from freedarts.study import paper
from freedarts.study.settings import read_yaml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: results, searches, trainings, readings, tasks")
    parser.add_argument("--numbers", required=True, type=Path, help="YAML: the numbers that the paper prints")
    parser.add_argument("--epochs", required=True, type=Path, help="YAML: seconds of an epoch, where none was measured")
    parser.add_argument("--command", default="snakemake", help="how Snakemake is called for this configuration")
    parser.add_argument("--output", required=True, type=Path, help="status.md")
    arguments = parse_in_folder(parser)

    selected = parse_settings(arguments.settings, ("results", "searches", "trainings", "readings", "tasks"))
    tasks = selected["tasks"]
    seconds = plan.seconds(tasks, read_yaml(arguments.epochs), str(arguments.epochs), Path("results"))
    numbers = paper.read(arguments.numbers, schema())
    command = f"{arguments.command} {os.path.join(arguments.folder or '', '')}"
    text = status.markdown(selected, numbers, seconds, command, time.time())
    write_text(arguments.output, text)


if __name__ == "__main__":
    run(main)
