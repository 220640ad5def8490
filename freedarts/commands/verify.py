"""Check the results against their manifest, and the tables.

Against results/manifest.json in the current folder, and against that of each configuration with a name; the tables are
made again from the results. Says what was changed, is missing or does not belong there, and which table comes out
differently: exit status 1. What it finds broken, `freedarts repair && snakemake` makes again. What cannot be read is no
fault: one line says why, and the exit status is 1 too.
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
    manifests = {path: manifest.read(path) for path in manifest.there() or [manifest.NAME]}
    made = set(recorded(Path(".snakemake/metadata"))).union(*(stated["files"] for stated in manifests.values()))
    lines = dict.fromkeys(line for stated in manifests.values() for line in verify.faults(stated, made, project()))
    if lines:
        sys.exit("\n".join([*lines, f"{len(lines)} faults; `freedarts repair && snakemake` mends results"]))
    for path, stated in manifests.items():
        print(f"all as in {path}: {len(stated['files'])} results, {len(stated['tables'])} tables made again")
