"""Write docs/configuration.md, from the schema and config.yaml."""

import argparse
from pathlib import Path

from freedarts.commands import schema
from freedarts.files import write_text
from freedarts.study.reference import configuration


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", required=True, type=Path, help="the page, Markdown")


def main(arguments: argparse.Namespace) -> None:
    write_text(arguments.output, configuration(schema()))
