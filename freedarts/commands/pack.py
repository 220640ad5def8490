"""Pack the results that the tables show, or unpack them.

    freedarts pack results.zip
    freedarts pack --unpack results.zip && snakemake --touch --forceall && snakemake

The file holds the manifest too. One that is cut short, of another version, with a wrong digest or with a path that
leads elsewhere is refused, and nothing is written.
"""

import argparse
from pathlib import Path

from freedarts.results import manifest, pack


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="of the configuration whose tables they are, if it has one")
    parser.add_argument("--unpack", action="store_true", help="place the results of the file in the current folder")
    parser.add_argument("file", type=Path, help="results.zip")


def main(arguments: argparse.Namespace) -> None:
    if arguments.unpack:
        count = pack.unpack(arguments.file)
        print(f"{count} files placed; `snakemake --touch --forceall`, with the same --configfile, records them")
    else:
        print(f"{arguments.file}: {pack.pack(arguments.file, manifest.of(arguments.name))} files")
