"""Draw the first steps of the release's trainings over what their logs print: those of results/replays in the current
folder, and those that the project keeps."""

import argparse
from pathlib import Path

from freedarts.commands import parse_in_folder
from freedarts.figures import replays, write_svg
from freedarts.files import parse_settings, run
from freedarts.results import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: replays, a list of logs")
    parser.add_argument("--kept", nargs="*", default=[], type=Path, help="replays that the project keeps, JSON")
    parser.add_argument("--output", required=True, type=Path, help="the figure, SVG")
    arguments = parse_in_folder(parser)

    selected = [(log,) for log in parse_settings(arguments.settings, ("replays",))["replays"]]
    found = read.replays(selected, {path.stem: path for path in arguments.kept})
    write_svg(arguments.output, replays.draw(list(found.values())))


if __name__ == "__main__":
    run(main)
