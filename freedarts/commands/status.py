"""Say what is finished, what runs and what is missing.

Of the paper's numbers, the trainings and the searches that the configuration selects; the page stays in
results/status.md. May be called while the workflow runs.
"""

import argparse

from freedarts.commands import _snakemake


def configure(parser: argparse.ArgumentParser) -> None:
    _snakemake.configure(parser)


def main(arguments: argparse.Namespace) -> None:
    print(_snakemake.page("results/status.md", arguments), end="")
