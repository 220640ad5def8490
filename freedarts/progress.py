"""How far a training is: a small file beside its metrics, until those are there, so that its state needs no torch."""

from pathlib import Path

from freedarts.files import write_json

NAME = "progress.json"
KEYS = ("epoch", "epochs", "error", "seconds")


def write(folder: Path, history: list[dict], epochs: int) -> None:
    """history: the epochs that are done, of so many; error in percent, seconds of the last one."""
    last = history[-1] if history else {}
    done = {"epoch": len(history), "epochs": epochs}
    write_json(folder / NAME, {**done, "error": last.get("test_error"), "seconds": last.get("seconds")})
