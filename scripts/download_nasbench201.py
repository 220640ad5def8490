"""Download NAS-Bench-201-v1_1-096897.pth (4.7 GB) from Google Drive, and check it. Goes on where it stopped before."""

import argparse
from pathlib import Path

from freedarts.files import run
from freedarts.nasbench201.download import ADDRESS, MD5_TAIL, download


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True, type=Path, help="the file")
    download(ADDRESS, parser.parse_args().output, MD5_TAIL)


if __name__ == "__main__":
    run(main)
