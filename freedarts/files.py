"""Errors that a user can act on, and files that are either whole or absent."""

import difflib
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "0.1.0"  # of the project


class InputError(ValueError):
    """Bad input. The message names the file or option, the place in it, the value and what is allowed."""

    def __str__(self) -> str:
        return escaped(super().__str__())


def nearest(name: object, names: Iterable[object]) -> str:
    """For the end of a message: which of *names* a misspelt *name* may mean; nothing if none is near."""
    close = difflib.get_close_matches(str(name), [str(other) for other in names], n=1, cutoff=0.75)
    return f"; did you mean {close[0]!r}?" if close else ""


def escaped(text: str) -> str:
    """With `\\udce9` for a byte of a file's name that is not UTF-8, which no stream or file would take."""
    return text.encode(errors="backslashreplace").decode()


def run(main: Callable[[], None]) -> None:
    """Run a script: exit 0 when done, 1 with one line on bad input, or on a file that cannot be read or written."""
    sys.stdout.reconfigure(errors="backslashreplace")  # as that of stderr is
    try:
        main()
    except (InputError, OSError) as error:
        sys.exit(f"error: {message(error)}")


def message(error: InputError | OSError) -> str:
    """One that begins with the file, of an OSError too."""
    if isinstance(error, OSError) and error.filename and not error.filename2:
        return escaped(f"{error.filename}: {error.strerror}")
    return str(error)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around what reads *path*: InputError where there is none; OSError, with its name, where it is there and cannot be
    read. That is for want of a permission, or of a disk or a server that answers: what is damaged is removed and made
    again, and this may be whole."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except OSError as error:
        raise OSError(error.errno, f"cannot be read ({error.strerror or error})", str(path)) from None


def exists(path: Path) -> bool:
    """Path.exists takes some of what it cannot look at for missing, and newer Pythons all of it."""
    try:
        with reading(path):
            path.stat()
    except InputError:
        return False
    return True


def files_in(folder: Path) -> list[Path]:
    """All below *folder*, sorted. Path.glob passes over folders that it cannot list."""

    def stop(error: OSError) -> None:
        with reading(Path(error.filename)):
            raise error

    if not exists(folder):
        return []
    return sorted(Path(place, name) for place, _, names in os.walk(folder, onerror=stop) for name in names)


def read_bytes(path: Path) -> bytes:
    with reading(path):
        return path.read_bytes()


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let *write* make a file and give it the name *path* when it is whole, so that a kill leaves the old file or
    none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    replace_file(path, lambda partial: partial.write_text(escaped(text), encoding="utf-8"))


def sha256(path: Path) -> str:
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_json(path: Path, value: dict) -> None:
    """Write *value* as strict JSON, with its digest as the key `digest`, since Snakemake takes none of outputs.

    NaN and infinity are refused, they would break other readers.
    """
    stated = {**value, "digest": _digest(value)}
    write_text(path, json.dumps(stated, indent=1, allow_nan=False) + "\n")


def _digest(value: dict) -> str:
    return sha256_of(json.dumps(value).encode())


def read_json(path: Path, required: tuple[str, ...] = ()) -> dict:
    """Read one JSON object and check that it holds the *required* keys.

    Raises InputError for a file that is missing, cut short, not an object, without a required key or with one twice,
    or changed since write_json wrote it; OSError for one that cannot be read.
    """
    return parse_json(read_bytes(path), str(path), required)


class _NotFiniteError(Exception):
    pass


def _refuse_constant(name: str) -> float:
    raise _NotFiniteError(name)


def _unique(pairs: list[tuple[str, object]]) -> dict:
    """One of two equal keys would be gone without a word."""
    value = dict(pairs)
    if len(value) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise InputError(f"has the key {twice!r} twice")
    return value


def parse_json(
    content: bytes, where: str, required: tuple[str, ...] = (), constant: Callable[[str], float] = _refuse_constant
) -> dict:
    """The same of the *content* of a file. constant: what makes numbers of NaN and Infinity."""
    try:
        value = json.loads(content.decode(), parse_constant=constant, object_pairs_hook=_unique)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error}); is it cut short?") from None
    except _NotFiniteError as error:
        raise InputError(f"{where}: holds {error}, which is no JSON number") from None
    if not isinstance(value, dict):
        raise InputError(f"{where}: holds a {type(value).__name__}, expected an object")
    if "digest" in value and value.pop("digest") != _digest(value):
        raise InputError(f"{where}: changed since it was made; what is changed on purpose has no key 'digest'")
    if missing := [key for key in required if key not in value]:
        raise InputError(f"{where}: no key {', '.join(map(repr, missing))}{_other_version(value)}")
    return value


def _other_version(result: dict) -> str:
    versions = result.get("versions")
    made_by = versions.get("freedarts") if isinstance(versions, dict) else None
    if made_by in (None, VERSION):
        return ""
    return f"; it was made by freedarts {made_by}, this is {VERSION}: delete it and run again"


def parse_settings(text: str, keys: tuple[str, ...]) -> dict:
    """The JSON object given as --settings, which must hold exactly *keys*."""
    value = parse_json(os.fsencode(text), "--settings")
    if set(value) != set(keys):
        raise InputError(f"--settings: holds {sorted(value)}, expected the keys {sorted(keys)}")
    return value
