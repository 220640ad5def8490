"""The subcommands of `freedarts`, a module each: its docstring is the help, `configure(parser)` adds the options and
`main(arguments)` does it. The script of a rule calls the command that has its name, so that both do the same."""

import argparse
import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType

from freedarts.files import InputError, run

NAMES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py")))


def project() -> Path:
    """The folder of the workflow, with config/ and resources/. InputError where the library is installed without it."""
    base = Path(__file__).parents[2]
    if not (base / "config" / "schema.yaml").is_file():
        raise InputError("this command needs config/ and resources/ of the project: call it from a clone of it")
    return base


def schema() -> Path:
    return project() / "config" / "schema.yaml"


def call(command: ModuleType, prog: str, arguments: list[str] | None = None) -> None:
    """Run a command with the *arguments*, this process's if there are none; prog: how it was called."""
    parser = argparse.ArgumentParser(
        prog=prog, description=command.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.configure(parser)
    command.main(parser.parse_args(arguments))


def main() -> None:
    """`freedarts`. Each command is imported when it is called: to list them takes no torch."""
    parser = argparse.ArgumentParser(
        prog="freedarts",
        description="FreeDARTS, reproduced: what can be done beside the workflow, which `snakemake` runs.",
        epilog="`freedarts COMMAND --help` says more. Exit status: 0 done, 1 bad input or faults found, 2 bad options.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command", title="commands")
    for name in NAMES:
        commands.add_parser(name, help=_line(name), add_help=False)
    chosen, rest = parser.parse_known_args(sys.argv[1:2]).command, sys.argv[2:]
    run(lambda: call(importlib.import_module(f"{__name__}.{chosen}"), f"freedarts {chosen}", rest))


def _line(name: str) -> str:
    """The first sentence of the command's docstring, read from its file."""
    path = Path(__file__).with_name(f"{name}.py")
    text = ast.get_docstring(ast.parse(path.read_bytes()))
    return " ".join(text.split("\n\n")[0].split()).partition(". ")[0].rstrip(".")
