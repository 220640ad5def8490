"""How far a training is: a small file beside its metrics, until those are there, so that its state needs no torch."""

from pathlib import Path

from freedarts.files import InputError, read_json, write_json

NAME = "progress.json"
KEYS = ("epoch", "epochs", "error", "seconds")


def write(folder: Path, history: list[dict], epochs: int) -> None:
    """history: the epochs that are done, of so many; error in percent, seconds of the last one."""
    last = history[-1] if history else {}
    done = {"epoch": len(history), "epochs": epochs}
    write_json(folder / NAME, {**done, "error": last.get("test_error"), "seconds": last.get("seconds")})


def read(path: Path) -> dict:
    """The same of the file *path*. Raises InputError for another one."""
    found = read_json(path, KEYS)
    if type(found["epoch"]) is not int or type(found["epochs"]) is not int:
        raise InputError(f"{path}: epoch {found['epoch']!r} of {found['epochs']!r}, expected numbers")
    return found
