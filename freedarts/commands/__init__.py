"""The subcommands of `freedarts`, a module each. Its docstring is the help; `configure(parser)` adds the options, and
returns that of the settings, where the configuration can give them; `main(arguments)` does it. The script of a rule
calls the command that has its name, so that both do the same."""

import argparse
import os
from pathlib import Path
from types import ModuleType

from freedarts.files import InputError


def project() -> Path:
    """The folder of the workflow, with config/ and resources/. InputError where the library is installed without it."""
    base = Path(__file__).parents[2]
    if not (base / "config" / "schema.yaml").is_file():
        raise InputError("this command needs config/ and resources/ of the project: call it from a clone of it")
    return base


def schema() -> Path:
    return project() / "config" / "schema.yaml"


def parser(command: ModuleType, prog: str) -> argparse.ArgumentParser:
    """Without the options of the command; prog: how it is called."""
    return argparse.ArgumentParser(
        prog=prog,
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def call(command: ModuleType, prog: str) -> None:
    """Run a command with the arguments of this process."""
    options = parser(command, prog)
    command.configure(options)
    command.main(options.parse_args())


def parse_in_folder(options: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments of a script that looks results up. With --folder it goes there; the other paths keep their
    meaning."""
    options.add_argument("--folder", type=Path, help="the folder that results/ lies in (default: the current one)")
    arguments = options.parse_args()
    if arguments.folder:
        folder = arguments.folder.absolute()
        for name, value in vars(arguments).items():
            if isinstance(value, Path) and name != "folder":
                setattr(arguments, name, _seen_from(folder, value))
            elif isinstance(value, list):
                setattr(arguments, name, [_seen_from(folder, path) for path in value])
        os.chdir(folder)
    return arguments


def _seen_from(folder: Path, path: Path) -> Path:
    path = path.absolute()
    return path.relative_to(folder) if path.is_relative_to(folder) else path
