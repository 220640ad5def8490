"""List what a target still needs, with an estimate of the hours, from what `snakemake --summary TARGET` prints, and
what the tiers and the numbers of the paper cost."""

import argparse
import json
import sys
import time
from pathlib import Path

from freedarts.commands import parse_in_folder, project, schema
from freedarts.files import parse_settings, run, write_text
from freedarts.results import overview, plan
from freedarts.study import paper
from freedarts.study.catalogue import Catalogue
from freedarts.study.settings import overlaid, read_yaml

KEYS = ("tasks", "trainings", "replays", "data", "readings", "plan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True, help="what the summary on standard input is of")
    parser.add_argument("--settings", required=True, help="JSON: tasks, trainings, replays, data, readings and plan")
    parser.add_argument("--epochs", required=True, type=Path, help="YAML: seconds of an epoch, where none was measured")
    parser.add_argument("--output", required=True, type=Path, help="plan.md")
    arguments = parse_in_folder(parser)

    settings = parse_settings(arguments.settings, KEYS)
    base, tasks = project(), settings["tasks"]
    seconds = plan.seconds(tasks, read_yaml(arguments.epochs), str(arguments.epochs), Path("results"))
    tiers = read_yaml(base / "resources" / "tiers.yaml")
    overlays = [[] if t["file"] == "config.yaml" else [base / "config" / t["file"]] for t in tiers["tiers"]]
    catalogues = [Catalogue(overlaid(base, files), base) for files in overlays]
    gpus = tuple(dict.fromkeys([1, settings["plan"]["gpus"]]))
    lines = overview.page(
        paper.read(base / "resources" / "numbers.yaml", schema()),
        [json.loads(catalogue.plan_settings()) for catalogue in catalogues],
        tiers,
        settings["readings"],
        # The tasks of the tiers, where this configuration changes or leaves them out.
        overview.Prices(json.loads(catalogues[0].plan_settings())["tasks"] | tasks, seconds, gpus, time.time()),
        settings["plan"].get("budget"),
    )
    files = plan.pending(sys.stdin.read(), arguments.folder)
    write_text(arguments.output, plan.markdown(arguments.target, files, tasks, seconds, lines, settings["replays"]))


if __name__ == "__main__":
    run(main)
