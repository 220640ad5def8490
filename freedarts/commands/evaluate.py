"""Test a trained network.

The weights of a training here, or a weights.pt in the layout of the release. The first hold their genotype and
settings; for the others give --genotype and --settings.
"""

import argparse
from functools import partial
from pathlib import Path

from freedarts import tasks
from freedarts.commands import schema
from freedarts.files import write_json
from freedarts.jobs.environment import add_options, engine
from freedarts.study import run_folder
from freedarts.study.settings import parse
from freedarts.training import evaluation


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", required=True, type=Path, help="weights.safetensors, or the release's weights.pt")
    parser.add_argument("--genotype", type=Path, help="genotype, JSON; for the release's weights")
    parser.add_argument("--settings", help="JSON: space, dataset, network and protocol of the task; for the same")
    parser.add_argument("--metrics", type=Path, help="metrics.json of the training, whose error must come out again")
    parser.add_argument("--data", type=Path, help="manifest of the data set, for all but digits")
    add_options(parser)
    parser.add_argument("--workers", type=int, default=0, help="processes that read images (default 0), for ImageNet")
    parser.add_argument("--output", required=True, type=Path, help="errors, JSON")


def main(arguments: argparse.Namespace) -> None:
    chosen = engine(arguments)
    if arguments.metrics:
        run_folder.check(arguments.metrics)
    read = partial(parse, definition="retrain_settings", schema=schema(), datasets=tasks.known(arguments.data))
    network, settings = evaluation.network(arguments.weights, arguments.genotype, arguments.settings, read)
    result = evaluation.evaluate(network, settings, arguments.data, arguments.workers, chosen)
    if arguments.metrics:
        evaluation.compare(result, arguments.metrics, str(arguments.weights))
    write_json(arguments.output, result)
    print(f"test error {result['test_error']} %, top-5 {result['test_top5_error']} %, loss {result['test_loss']}")
