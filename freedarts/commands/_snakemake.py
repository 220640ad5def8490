"""A page that the workflow makes, for the commands that print one."""

import argparse
import subprocess
import sys
from pathlib import Path

from freedarts.commands import project
from freedarts.files import InputError
from freedarts.study.settings import check_config, read_yaml


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configfile", nargs="+", default=[], help="as for snakemake")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake")


def page(name: str, arguments: argparse.Namespace) -> str:
    """The text of the page *name*, which Snakemake makes in the folder of the configuration, by the Snakefile in the
    current one, if there is one. InputError with what Snakemake says if it cannot."""
    path = path_of(name, arguments)
    snakefile = Path("Snakefile") if Path("Snakefile").is_file() else project() / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--cores", "1", "--nolock"]
    for option in ("configfile", "config"):
        if values := getattr(arguments, option):
            command += [f"--{option}", *values]
    done = subprocess.run([*command, "--", path], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise InputError(f"{path}: could not be made\n{done.stdout.strip()}")
    return Path(path).read_text(encoding="utf-8")


def path_of(name: str, arguments: argparse.Namespace) -> str:
    """In the folder of the configuration's tables."""
    for file in arguments.configfile:
        check_config(Path(file))
    overlays = [read_yaml(Path(file)) for file in arguments.configfile]
    overlays += [dict([setting.split("=", 1)]) for setting in arguments.config if "=" in setting]
    names = [overlay["name"] for overlay in overlays if isinstance(overlay, dict) and "name" in overlay]
    return f"results/{names[-1]}/{name}" if names else f"results/{name}"
