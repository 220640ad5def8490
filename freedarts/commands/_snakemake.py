"""A page that the workflow makes, for the commands that print one."""

import argparse
import subprocess
import sys
from pathlib import Path

from freedarts.commands import project
from freedarts.files import InputError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configfile", nargs="+", default=[], help="as for snakemake")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake")


def show(path: str, arguments: argparse.Namespace) -> None:
    """Print the text of *path*, which Snakemake makes in the current folder, by the Snakefile there, if there is one.
    InputError with what Snakemake says if it cannot."""
    snakefile = Path("Snakefile") if Path("Snakefile").is_file() else project() / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--cores", "1", "--nolock"]
    for option in ("configfile", "config"):
        if values := getattr(arguments, option):
            command += [f"--{option}", *values]
    done = subprocess.run([*command, "--", path], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise InputError(f"{path}: could not be made\n{done.stdout.strip()}")
    print(Path(path).read_text(encoding="utf-8"), end="")
