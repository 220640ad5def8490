"""Put what was found into the README, between its markers, from a finished tables.md: each row with a link to the table
that shows it."""

import argparse
import re
from pathlib import Path

from freedarts.files import InputError, run, write_text

MARKERS = re.compile(r"(<!-- findings[^\n]*-->\n).*?(<!-- findings end -->)", re.DOTALL)
SECTION = "What was found"


def findings(tables: str, text: str) -> str:
    """The table of SECTION in *text*, unpadded; the titles in its last column lead to their sections of *tables*."""
    sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    if SECTION not in sections:
        raise InputError(f"{tables}: no section {SECTION!r}")
    lines = [line for line in sections[SECTION].splitlines() if line.startswith("|")]
    head, rule, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    titles = list(dict.fromkeys(row[-1] for row in rows))
    table = [head, [re.sub("-+", "---", cell) for cell in rule], *([*row[:-1], f"[{row[-1]}]"] for row in rows)]
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
    links = [f"[{title}]: {tables}#{anchor}" for title, anchor in zip(titles, anchors, strict=True)]
    return "\n".join([*(f"| {' | '.join(row)} |" for row in table), "", *links])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", required=True, type=Path, help="tables.md")
    parser.add_argument("--kept", required=True, help="where they lie for the README's readers")
    parser.add_argument("--readme", required=True, type=Path, help="README.md with the markers")
    parser.add_argument("--output", required=True, type=Path, help="the README with the findings")
    arguments = parser.parse_args()

    made = findings(arguments.kept, arguments.tables.read_text(encoding="utf-8"))
    readme, count = MARKERS.subn(lambda part: f"{part[1]}\n{made}\n\n{part[2]}", arguments.readme.read_text("utf-8"))
    if count != 1:
        raise InputError(f"{arguments.readme}: expected one pair of markers, `<!-- findings` and `<!-- findings end`")
    write_text(arguments.output, readme)


if __name__ == "__main__":
    run(main)
