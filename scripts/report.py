"""Put everything that there is of the selected results, in the current folder, into one HTML file that opens offline.

A result that is missing or broken leaves its place to a message.
"""

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import freedarts
from freedarts import report
from freedarts.digest import commit
from freedarts.files import parse_settings, run, write_text

PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "snakemake", "matplotlib")


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: searches, published, trainings, digest of the config")
    parser.add_argument("--tables", required=True, type=Path, help="tables.md")
    parser.add_argument("--template", required=True, type=Path, help="the page, Jinja")
    parser.add_argument("--output", required=True, type=Path, help="the report, HTML")
    arguments = parser.parse_args()

    selected = parse_settings(arguments.settings, ("searches", "sources", "trainings", "configuration"))
    environment = [
        ("freedarts", freedarts.__version__),
        ("commit", commit() or "not a git checkout"),
        ("configuration", f"sha256 {selected['configuration']}"),
        ("python", platform.python_version()),
        ("system", platform.platform()),
        *((package, installed(package)) for package in PACKAGES),
    ]
    write_text(arguments.output, report.render(arguments.template, arguments.tables, selected, environment))


if __name__ == "__main__":
    run(main)
