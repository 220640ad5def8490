"""`freedarts`: one command for what can be done beside the workflow. Each subcommand is imported when it is called, so
that listing them takes no torch."""

import argparse
import ast
import importlib
import sys
from pathlib import Path

from freedarts import commands
from freedarts.files import VERSION, InputError, nearest, run

NAMES = tuple(sorted(path.stem for path in Path(commands.__file__).parent.glob("[!_]*.py")))

# What the rule of a command gives it as --settings, from the catalogue of the configuration and the other options.
SETTINGS = {
    "search": lambda catalogue, given: catalogue.search_settings(given.supernet, given.score),
    "retrain": lambda catalogue, given: catalogue.training_settings(given.task),
    "preflight": lambda catalogue, given: catalogue.training_settings(given.task),
    "replay": lambda catalogue, given: catalogue.replay_settings(given.log),
    "cost": lambda catalogue, given: catalogue.cost_settings(given.task),
}
NAMED = ("cost", "preflight")  # which take a task's settings, and have no other use for its name


def main() -> None:
    listed = "\n".join(f"  {name:<11}{_line(name)}" for name in NAMES)
    parser = argparse.ArgumentParser(
        prog="freedarts",
        description="FreeDARTS, reproduced: what can be done beside the workflow, which `snakemake` runs.",
        epilog=f"commands, of which `freedarts COMMAND --help` says more:\n{listed}\n\n"
        "Exit status: 0 done, 1 bad input, faults, or a file that cannot be read or written, 2 bad options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("command", choices=NAMES, metavar="COMMAND", help="one of those below, then its options")
    name = parser.parse_args(sys.argv[1:2]).command
    run(lambda: _call(name, sys.argv[2:]))


def _line(name: str) -> str:
    """The first line of a command's docstring, read from its file."""
    path = Path(commands.__file__).with_name(f"{name}.py")
    return ast.get_docstring(ast.parse(path.read_bytes())).splitlines()[0].rstrip(".")


def _call(name: str, given: list[str]) -> None:
    command = importlib.import_module(f"freedarts.commands.{name}")
    parser = commands.parser(command, f"freedarts {name}")
    settings = command.configure(parser)
    if settings:
        settings.required = False
        settings.help += "; left out: those of the configuration"
        parser.add_argument(
            "--configfile", action="append", default=[], type=Path, help="laid over config/config.yaml; may be repeated"
        )
        if name in NAMED:
            parser.add_argument("--task", help="name of the task, in place of --settings")
    arguments = parser.parse_args(given)
    if settings and arguments.settings is None:
        arguments.settings = _settings(name, arguments)
    elif settings and (arguments.configfile or (name in NAMED and arguments.task)):
        parser.error("--settings leaves nothing to take from the configuration: without --configfile and --task")
    command.main(arguments)


def _settings(name: str, given: argparse.Namespace) -> str:
    from freedarts.study.catalogue import Catalogue
    from freedarts.study.settings import overlaid

    catalogue = Catalogue(overlaid(commands.project(), given.configfile), commands.project())
    there = {**catalogue.config, "logs": catalogue.replayable}
    for option in ("supernet", "score", "task", "log"):
        if option in given and (value := getattr(given, option)) not in (entries := there[f"{option}s"]):
            given_or_not = "is missing" if value is None else f"{value!r}"
            allowed = f"{', '.join(entries)}{nearest(value, entries)}"
            raise InputError(f"--{option} {given_or_not}, without --settings; allowed: {allowed}")
    return SETTINGS[name](catalogue, given)


if __name__ == "__main__":
    main()
