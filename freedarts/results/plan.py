"""What is still to be done, and how long the trainings in it will take. Imports no torch."""

import os
import re
import statistics
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tabulate import tabulate

from freedarts.files import InputError, read_json
from freedarts.study import kinds, run_folder

BEHIND = "## What stands behind it"  # before which the page is one screen
HEADER = ("output_file", "date", "rule", "log-file(s)", "status", "plan")  # of `snakemake --summary`


@dataclass(frozen=True)
class Pending:
    """A file that is to be made, or made again: *status* says why."""

    path: str
    rule: str
    status: str


def pending(summary: str, folder: Path | None = None) -> list[Pending]:
    """What `snakemake --summary` says is not up to date, below *folder*. Raises InputError for another text."""
    rows = [line.split("\t") for line in summary.splitlines()]
    if not rows or tuple(rows[0]) != HEADER or any(len(row) != len(HEADER) for row in rows):
        raise InputError("standard input: expected what `snakemake --summary TARGET` prints")
    below = partial(os.path.relpath, start=folder) if folder else str
    return [Pending(below(path), rule, why) for path, _, rule, _, why, plan in rows[1:] if plan == "update pending"]


def measured(tasks: dict[str, dict], folder: Path) -> dict[str, tuple[float, str]]:
    """Seconds of an epoch, of all GPUs together, of each task that was trained on the kind of device that it asks for,
    the median of the finished trainings in *folder*, and how it was found."""
    found = {}
    for task, settings in tasks.items():
        seconds, devices = [], set()
        for path in sorted((folder / "retrain" / task).glob("*/*/seed*/run*/metrics.json")):
            # A broken file measured nothing, and is the concern of whoever needs its result.
            with suppress(InputError, OSError, TypeError, ZeroDivisionError):
                metrics = read_json(path, ("hours", "gpu_hours", "epochs", "device"))
                if bool(metrics["gpu_hours"]) == bool(settings["gpus"]):
                    seconds.append(3600 * (metrics["gpu_hours"] or metrics["hours"]) / metrics["epochs"])
                    devices.add(metrics["device"])
        if seconds:
            found[task] = statistics.median(seconds), f"measured here, n = {len(seconds)}, {', '.join(sorted(devices))}"
    return found


def tried(tasks: dict[str, dict], folder: Path) -> dict[str, tuple[float, str]]:
    """The same of the preflights in *folder*, which train a few steps and test nothing. tasks: with `images`, to train
    on."""
    found = {}
    for task, settings in tasks.items():
        seconds, devices = [], set()
        for path in sorted((folder / "preflight" / task).glob("*/*/seed*.json")):
            with suppress(InputError, OSError, TypeError, ZeroDivisionError):
                tried = read_json(path, ("images_per_second", "device", "processes"))
                if tried["device"].startswith("cpu") == (not settings["gpus"]):
                    seconds.append(settings["images"] / tried["images_per_second"] * tried["processes"])
                    devices.add(tried["device"])
        if seconds:
            found[task] = (
                statistics.median(seconds),
                f"preflight here, n = {len(seconds)}, {', '.join(sorted(devices))}",
            )
    return found


def seconds(tasks: dict[str, dict], stated: object, where: str, folder: Path) -> dict[str, tuple[float, str]]:
    """Of trainings that were measured, else of preflights, else as *stated* in the file *where*."""
    return estimates(tasks, stated, where) | tried(tasks, folder) | measured(tasks, folder)


def estimates(tasks: dict[str, dict], stated: object, where: str) -> dict[str, tuple[float, str]]:
    """The same, as *stated* in the resource file *where*."""
    if not isinstance(stated, dict):
        raise InputError(f"{where}: expected an entry for each task")
    for task, entry in stated.items():
        if not isinstance(entry, dict) or set(entry) != {"seconds", "source"}:
            raise InputError(f"{where}: {task}: expected seconds and source")
        if type(entry["seconds"]) not in (int, float) or not entry["seconds"] > 0:
            raise InputError(f"{where}: {task}: seconds: {entry['seconds']!r}; allowed: a number above 0")
    return {task: (stated[task]["seconds"], f"estimate: {stated[task]['source']}") for task in tasks if task in stated}


def markdown(
    target: str,
    files: list[Pending],
    tasks: dict[str, dict],
    seconds: dict[str, tuple[float, str]],
    overview: Iterable[str] = (),
    replays: Iterable[tuple[str, str, float]] = (),
) -> str:
    """tasks: epochs and gpus of each; seconds: of an epoch of a task, and how that was found. overview: lines that come
    before the lists. replays: as Catalogue.replays_on_gpu."""
    found = [(match, file.status) for file in files if (match := kinds.TRAINING.pattern.fullmatch(file.path))]
    rows = [_row(match, status, tasks, seconds) for match, status in found]
    lines = [f"# What {target} still needs", ""]
    if not files:
        lines += ["Nothing: all is there and up to date."]
    for device in ("GPU", "CPU"):
        hours = [row["hours"] for row in rows if row["device"] == device]
        if hours:
            lines.append(f"- {device}-hours of {len(hours)} trainings: {_total(hours)}")
    needed = {file.path for file in files}
    hours = [hours_of(task, epochs, seconds) for path, task, epochs in replays if path in needed]
    if hours:
        lines.append(f"- GPU-hours of {len(hours)} replays: {_total(hours)}")
    lines += ["", *overview, BEHIND, ""]
    if files:
        lines += ["Files, by the rule that makes them:", "", _table(_counts(files)), ""]
    if rows:
        lines += ["Trainings:", "", _table(_grouped(rows)), ""]
    lines += ["An epoch takes:", "", *(f"- {task}: {amount(value)} s, {how}" for task, (value, how) in seconds.items())]
    lines += [
        "",
        "A training that was interrupted counts from where it stopped. Where its genotype, protocol, code or kind of",
        "device is another now, or its checkpoints are gone, it begins anew and needs all. Wall times are of trainings",
        "on GPUs, the longest first, and of all else where there are none.",
        "",
    ]
    return "\n".join(lines)


def hours_of(task: str, epochs: float, seconds: dict[str, tuple[float, str]]) -> float | None:
    """None where an epoch's are not known."""
    each, _ = seconds.get(task, (None, ""))
    return None if each is None else each * epochs / 3600


def _grouped(rows: list[dict]) -> list[dict]:
    """Those of one task and source together, whatever their seeds and runs."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in ("task", "supernet", "source", "why", "device")), []).append(row)
    return [
        {
            **dict(zip(("task", "supernet", "source", "why", "device"), key, strict=True)),
            "trainings": len(members),
            "epochs": sum(row["epochs"] for row in members),
            "hours": _total([row["hours"] for row in members]),
        }
        for key, members in groups.items()
    ]


def _row(match: re.Match, status: str, tasks: dict[str, dict], seconds: dict[str, tuple[float, str]]) -> dict:
    task = tasks[match["task"]]
    epochs = task["epochs"] - _done(Path(match.string), task["epochs"])
    return {
        **match.groupdict(),
        "why": status,
        "epochs": epochs,
        "device": "GPU" if task["gpus"] else "CPU",
        "hours": hours_of(match["task"], epochs, seconds),
    }


def _done(metrics: Path, epochs: int) -> int:
    """Epochs that a training has done which was interrupted, of so many."""
    with suppress(InputError, OSError):
        found = run_folder.read_progress(metrics.with_name(run_folder.PROGRESS))
        if found["epochs"] == epochs:
            return found["epoch"]
    return 0


def _total(hours: list[float | None]) -> str:
    known = [value for value in hours if value is not None]
    missing = len(hours) - len(known)
    return amount(sum(known)) + (f", and {missing} of unknown length" if missing else "")


def amount(value: float) -> str:
    """Three digits, but never as 1e+03."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _counts(files: Iterable[Pending]) -> list[dict]:
    counts = Counter((file.rule, file.status) for file in files)
    return [{"rule": rule, "why": status, "files": count} for (rule, status), count in counts.items()]


def _table(rows: list[dict]) -> str:
    return tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True)
