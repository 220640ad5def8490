"""Put everything that there is of the selected results, in the current folder, into one HTML file that opens offline.

A result that is missing or broken leaves its place to a message.
"""

import argparse
from pathlib import Path

from freedarts import report
from freedarts.commands import parse_in_folder
from freedarts.files import parse_settings, run, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: what the configuration selects")
    parser.add_argument("--tables", required=True, type=Path, help="tables.json, with manifest.json beside it")
    parser.add_argument("--template", required=True, type=Path, help="the page, Jinja, with tables.js beside it")
    parser.add_argument("--output", required=True, type=Path, help="the report, HTML")
    arguments = parse_in_folder(parser)

    keys = ("searches", "sources", "trainings", "scatter", "name", "own", "configuration")
    selected = parse_settings(arguments.settings, keys)
    environment = report.environment(selected["configuration"])
    page = report.render(arguments.template, arguments.tables, selected, environment, arguments.folder)
    write_text(arguments.output, page)


if __name__ == "__main__":
    run(main)
