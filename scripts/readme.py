"""Put the result tables into the README, between its markers, from a finished tables.md."""

import argparse
import re
from pathlib import Path

from freedarts.files import InputError, run, write_text

MARKERS = re.compile(r"(<!-- results[^\n]*-->\n).*?(<!-- results end -->)", re.DOTALL)
SECTIONS = ("In short", "Searches", "The numbers that the paper prints", "Retraining")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", required=True, type=Path, help="tables.md")
    parser.add_argument("--readme", required=True, type=Path, help="README.md with the markers")
    parser.add_argument("--output", required=True, type=Path, help="the README with the tables")
    arguments = parser.parse_args()

    text = arguments.tables.read_text(encoding="utf-8")
    sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    if missing := [name for name in SECTIONS if name not in sections]:
        raise InputError(f"{arguments.tables}: no section {missing[0]!r}")
    body = "".join(f"\n### {name}\n{sections[name]}" for name in SECTIONS)
    readme, count = MARKERS.subn(lambda found: f"{found[1]}{body}\n{found[2]}", arguments.readme.read_text("utf-8"))
    if count != 1:
        raise InputError(f"{arguments.readme}: expected one pair of markers, `<!-- results` and `<!-- results end`")
    write_text(arguments.output, readme)


if __name__ == "__main__":
    run(main)
