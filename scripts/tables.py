"""Assemble tables.md, and beside it tables.csv, tables.json, tables.tex and manifest.json, from all selected results,
which lie in the current folder."""

import argparse
from pathlib import Path

from freedarts.commands import parse_in_folder, schema
from freedarts.files import parse_settings, run, write_json, write_text
from freedarts.results import assembly, manifest

KEYS = ("name", "results", "searches", "left_out", "sources", "readings", "tasks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: what the configuration selects")
    parser.add_argument("--numbers", required=True, type=Path, help="YAML: the numbers that the paper prints")
    parser.add_argument("--objectives", required=True, type=Path, help="YAML: objectives that the release printed")
    parser.add_argument("--published-costs", required=True, type=Path, help="YAML: costs that the release printed")
    parser.add_argument("--kept", nargs="*", default=[], type=Path, help="replays that the project keeps, JSON")
    parser.add_argument("--kept-tables", required=True, type=Path, help="CSV: those of `make cifar10`")
    parser.add_argument("--output", required=True, type=Path, help="tables.md")
    arguments = parse_in_folder(parser)

    selected, output = parse_settings(arguments.settings, KEYS), arguments.output
    files = (arguments.numbers, arguments.objectives, arguments.published_costs)
    published = dict(zip(assembly.PUBLISHED, files, strict=True))
    published |= {f"{assembly.KEPT}{path.stem}": path for path in arguments.kept}
    published[assembly.KEPT_TABLES] = arguments.kept_tables
    made = assembly.build(selected, published, schema())
    texts = {str(output.with_suffix(suffix)): text for suffix, text in made.items()}
    write_json(output.with_name("manifest.json"), manifest.make(selected, published, texts))
    for path, text in texts.items():
        write_text(Path(path), text)


if __name__ == "__main__":
    run(main)
