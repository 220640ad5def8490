"""Spaces and scores by the names that the configuration gives them: modules of the package, or files of the user, whose
name is their path, relative to the working directory or, as of a module, to a folder in sys.path. Imports no torch."""

import ast
import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from freedarts.files import InputError, nearest


def known(kind: str) -> tuple[str, ...]:
    """The package's own modules of a kind, `spaces` or `scores`; a module may be a folder."""
    folder = Path(__file__).parent / kind
    files, folders = folder.glob("[!_]*.py"), folder.glob("*/__init__.py")
    return tuple(sorted([*(path.stem for path in files), *(path.parent.name for path in folders)]))


def is_own(name: object) -> bool:
    """Whether *name* is the path of a file of the user."""
    return isinstance(name, str) and name.endswith(".py")


def _own_file(name: str) -> Path:
    """sys.path begins with the folder where a script was started, which it may have left for that of its results."""
    places = (Path(folder, name) for folder in ("", *sys.path))
    return next(filter(Path.is_file, places), Path(name))


def source(kind: str, name: str) -> str | Path:
    """What freedarts.study.code calls the module."""
    return _own_file(name) if is_own(name) else f"freedarts.{kind}.{name}"


def check(kind: str, name: object, where: str) -> ast.Module:
    """The code of the module, which is not run. Raises InputError, *where* says for what, if the package has no module
    and the user no file of this name, or one that is not Python."""
    if not is_own(name) and name not in known(kind):
        message = (
            f"{where} {name!r}; allowed: {', '.join(known(kind))}, or the path of a file of your own, ending in .py"
        )
        raise InputError(message + nearest(name, known(kind)))
    path = _own_file(name) if is_own(name) else _file(kind, name)
    try:
        return _code(path.resolve(), path.stat().st_mtime_ns)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}, expected a Python file") from None
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{name}: not valid Python ({error})") from None


def _file(kind: str, name: str) -> Path:
    path = Path(__file__).parent / kind / name
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _code(path: Path, modified: int) -> ast.Module:
    return ast.parse(path.read_bytes())


def load(kind: str, name: object, where: str) -> ModuleType:
    """The module. InputError as in `check`, or if a file of the user cannot be imported."""
    check(kind, name, where)
    if not is_own(name):
        return importlib.import_module(f"freedarts.{kind}.{name}")
    path = _own_file(name)
    return _own(name, path.resolve(), path.stat().st_mtime_ns)


@cache
def _own(name: str, path: Path, modified: int) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for it
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name}: cannot be imported ({type(error).__name__}: {error})") from error
    return module
