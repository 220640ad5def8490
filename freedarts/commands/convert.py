"""Convert a genotype of the DARTS space, as papers print it, into this project's JSON.

The text is `Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=…, reduce=[…], reduce_concat=…)`, with a name
before it or not. It is read, not run.
"""

import argparse
import sys
from pathlib import Path

from freedarts import genotype
from freedarts.spaces.darts import pasted


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", help="Genotype(…), or - for standard input")
    parser.add_argument("--seed", type=int, default=0, help="that the file names (default: 0)")
    parser.add_argument("--output", required=True, type=Path, help="genotype, JSON")


def main(arguments: argparse.Namespace) -> None:
    text = sys.stdin.read() if arguments.text == "-" else arguments.text
    genotype.write(arguments.output, pasted.read(text), arguments.seed)
