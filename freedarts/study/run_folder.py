"""The folder of one training, without torch: what lies beside its metrics, which hold the digests of it and vouch for
the whole folder, and, until they are there, how far the training is."""

import time
from pathlib import Path

from freedarts.files import InputError, exists, read_json, sha256, write_json

FILES = ("history.csv", "protocol.json", "weights.safetensors")
PROGRESS = "progress.json"
PROGRESS_KEYS = ("epoch", "epochs", "error", "seconds")


def digests(metrics: Path) -> dict[str, str]:
    """By name, of what was written beside *metrics*."""
    return {name: sha256(metrics.with_name(name)) for name in FILES}


def stated(metrics: Path) -> dict[Path, str]:
    """The same by path, as *metrics* say it; empty where they were made before metrics did."""
    found = read_json(metrics).get("sha256")
    known = found if isinstance(found, dict) else {}
    return {metrics.with_name(name): known[name] for name in FILES if isinstance(known.get(name), str)}


def check(metrics: Path) -> None:
    """InputError if a file beside *metrics* is not the one that the training wrote."""
    for path, digest in stated(metrics).items():
        if exists(path) and sha256(path) != digest:
            raise InputError(f"{path}: changed since it was made")


def write_progress(folder: Path, history: list[dict], epochs: int) -> None:
    """history: the epochs that are done, of so many; error in percent, seconds of the last one."""
    last = history[-1] if history else {}
    done = {"epoch": len(history), "epochs": epochs}
    write_json(folder / PROGRESS, {**done, "error": last.get("test_error"), "seconds": last.get("seconds")})


def said(history: list[dict], epochs: int, images: int, now: float) -> str:
    """A line on the last of the epochs that are done, of so many, and when they all will be. images: to train on; now:
    as time.time()."""
    last, left = history[-1], epochs - len(history)
    end = time.strftime("%a %H:%M", time.localtime(now + left * sum(row["seconds"] for row in history) / len(history)))
    return (
        f"epoch {len(history)} of {epochs}: test error {last['test_error']:.2f} %, loss {last['train_loss']:.4f},"
        f" {images / last['train_seconds']:,.0f} images/s" + (f", done about {end}" if left else "")
    )


def said_within(epoch: int, epochs: int, step: int, steps: int, loss: float, seconds: float, images: int) -> str:
    """A line in an epoch, counted from 0, that has come so far in so many seconds. images: of a whole one."""
    speed, left = images * step / steps / seconds, seconds / step * (steps - step)
    return (
        f"epoch {epoch + 1} of {epochs}, step {step:,} of {steps:,}: loss {loss:.4f}, {speed:,.0f} images/s,"
        f" {left / 60:.0f} min left of the epoch"
    )


def read_progress(path: Path) -> dict:
    """The same of the file *path*. Raises InputError for another one."""
    found = read_json(path, PROGRESS_KEYS)
    if type(found["epoch"]) is not int or type(found["epochs"]) is not int:
        raise InputError(f"{path}: epoch {found['epoch']!r} of {found['epochs']!r}, expected numbers")
    return found
