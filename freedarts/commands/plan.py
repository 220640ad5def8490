"""Say what the tiers and the numbers of the paper cost, and what is still to be done.

The hours of trainings on one GPU and on several, cheapest first; the page, with all that stands behind it, stays in
results/plan.md. With --budget, what answers most within so many GPU-hours.
"""

import argparse

from freedarts.commands import _snakemake
from freedarts.results.plan import BEHIND


def configure(parser: argparse.ArgumentParser) -> None:
    _snakemake.configure(parser)
    parser.add_argument("--gpus", type=int, help="how many, beside one (default: that of the configuration, 8)")
    parser.add_argument("--budget", type=float, metavar="HOURS", help="GPU-hours that there are")


def main(arguments: argparse.Namespace) -> None:
    given = {key: getattr(arguments, key) for key in ("gpus", "budget") if getattr(arguments, key) is not None}
    if given:
        arguments.config = [*arguments.config, f"plan={{{', '.join(f'{key}: {n}' for key, n in given.items())}}}"]
    screen, _, _ = _snakemake.page("plan.md", arguments).partition(BEHIND)
    print(f"{screen}What stands behind it, row by row: {_snakemake.path_of('plan.md', arguments)}")
