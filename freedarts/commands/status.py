"""Say what is finished, what runs and what is missing.

Of the paper's numbers, the trainings and the searches that the configuration selects; the page stays in
results/status.md. May be called while the workflow runs; with --watch it is shown again and again, until Ctrl-C.
"""

import argparse
import sys
import time
from contextlib import suppress

from freedarts.commands import _snakemake
from freedarts.files import InputError

CLEAR = "\033[H\033[2J"  # the screen, of a terminal


def configure(parser: argparse.ArgumentParser) -> None:
    _snakemake.configure(parser)
    parser.add_argument(
        "--watch", type=float, nargs="?", const=30, metavar="SECONDS", help="again after so many (default 30)"
    )


def main(arguments: argparse.Namespace) -> None:
    if arguments.watch is not None and not arguments.watch > 0:
        raise InputError(f"--watch {arguments.watch}; allowed: seconds above 0")
    with suppress(KeyboardInterrupt):
        while True:
            text = _snakemake.page("status.md", arguments)
            print((CLEAR if arguments.watch and sys.stdout.isatty() else "") + text, end="", flush=True)
            if arguments.watch is None:
                return
            time.sleep(arguments.watch)
