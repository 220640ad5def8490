"""Convert a NAS-Bench-201 file (or a NATS-Bench tss simple folder or tar) to two Parquet tables, safely and in small
memory."""

import argparse
from pathlib import Path

from tqdm import tqdm

from freedarts.files import run
from freedarts.nasbench201.convert import convert


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, type=Path, help="NAS-Bench-201-v1_1-096897.pth, or NATS-Bench tss")
    parser.add_argument("--trials", required=True, type=Path, help="Parquet table, a row a training")
    parser.add_argument("--output", required=True, type=Path, help="Parquet table, a row an architecture")
    parser.add_argument("--md5-tail", help="end of the source's md5; default: as in a name like *-096897.pth")
    arguments = parser.parse_args()

    with tqdm(unit="B", unit_scale=True, mininterval=1) as bar:

        def progress(stage: str, done: int, total: int) -> None:
            if bar.desc != f"{stage}: ":
                bar.reset(total)
                bar.set_description(stage)
            bar.update(done)

        count = convert(arguments.source, arguments.trials, arguments.output, arguments.md5_tail, progress)
    print(f"{count} architectures: {arguments.output}, {arguments.trials}")


if __name__ == "__main__":
    run(main)
