"""Draw the learning curves of trainings, over the published ones, from results/retrain in the current folder, with how
far the published ones were replayed."""

import argparse
from pathlib import Path

from freedarts.commands import parse_in_folder
from freedarts.figures import curves, write_svg
from freedarts.files import parse_settings, run
from freedarts.results import read
from freedarts.study.paths import metrics_path
from freedarts.study.settings import read_yaml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: trainings, replays")
    parser.add_argument("--published", required=True, type=Path, help="YAML: curves of the release's training logs")
    parser.add_argument("--kept", nargs="*", default=[], type=Path, help="replays that the project keeps, JSON")
    parser.add_argument("--output", required=True, type=Path, help="the figure, SVG")
    arguments = parse_in_folder(parser)

    selected = parse_settings(arguments.settings, ("trainings", "replays"))
    trainings = {
        tuple(case): read.history(Path(metrics_path(case)).with_name("history.csv")) for case in selected["trainings"]
    }
    followed = read.replays([(log,) for log in selected["replays"]], {path.stem: path for path in arguments.kept})
    replayed = {replay["file"]: replay["verdict"] for replay in followed.values()}
    write_svg(arguments.output, curves.draw(trainings, read_yaml(arguments.published), replayed))


if __name__ == "__main__":
    run(main)
