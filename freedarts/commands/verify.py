"""Check the results against their manifest, and the tables.

Against results/manifest.json in the current folder; the tables are made again from the results. Says what was
changed, is missing or does not belong there, and which table comes out differently: exit status 1. What it finds
broken, `freedarts repair && snakemake` makes again. What cannot be read is no fault: one line says why, and the exit
status is 1 too.
"""

import argparse
import sys
from pathlib import Path

from freedarts.commands import project
from freedarts.results import manifest, verify
from freedarts.results.records import recorded


def configure(parser: argparse.ArgumentParser) -> None:
    """It has no options."""


def main(arguments: argparse.Namespace) -> None:
    found = manifest.read(manifest.NAME)
    lines = list(verify.faults(found, set(recorded(Path(".snakemake/metadata"))), project()))
    if lines:
        sys.exit("\n".join([*lines, f"{len(lines)} faults; `freedarts repair && snakemake` mends results"]))
    print(f"all as in {manifest.NAME}: {len(found['files'])} results, {len(found['tables'])} tables made again")
