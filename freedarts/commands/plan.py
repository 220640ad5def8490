"""Say what is still to be done, and how many hours it will take.

For the tables that the configuration selects; the page stays in results/plan.md.
"""

import argparse

from freedarts.commands import _snakemake


def configure(parser: argparse.ArgumentParser) -> None:
    _snakemake.configure(parser)


def main(arguments: argparse.Namespace) -> None:
    print(_snakemake.page("results/plan.md", arguments), end="")
