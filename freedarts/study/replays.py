"""How far a log of the release can be followed: from which runs, and by what rule. Imports no torch."""

import math
import statistics
from pathlib import Path

from freedarts.files import InputError
from freedarts.study import settings

FIRST = ("float64", "float32")  # computations of the first step, with the network as it was built
CONTROL = "control"  # another seed, and with it another order
MEASURES = ("loss", "top1", "top5")
# Of the loss of the first step, which rounding moves by 1e-4 at most; that of another seed is off by 1e-1.
EQUAL = 1e-3
DIGITS = 1e-5  # what the log's own digits are good for, in percent
# Student's t, 0.975, by degrees of freedom.
T = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def read(path: Path, schema: Path) -> dict[str, dict]:
    """The logs of resources/replays.yaml, by name."""
    logs = settings.read_yaml(path)
    if faults := settings.faults(logs, schema, "logs"):
        raise InputError("\n  ".join([f"{path}: not valid", *faults]))
    return {log["log"]: log for log in logs}


def runs(entry: dict) -> list[str]:
    """Of a log, by its entry of the configuration: the first step alone, and where more are asked for, copies with
    weights changed by one unit in the last place, and the control."""
    copies = [f"run{number}" for number in range(1, entry["runs"] + 1)]
    return [*FIRST, *copies, CONTROL] if entry["steps"] > 1 else [*FIRST]


def steps(entry: dict, run: str) -> int:
    return 1 if run in FIRST else entry["steps"]


def follow(log: dict, results: dict[str, dict]) -> dict:
    """log: its entry of resources/replays.yaml. results: of `runs`, by name, as `freedarts replay` writes them.

    A log is followed up to the last of its rows before the first whose loss is off from the mean of the copies by more
    than t(0.975, n - 1) s sqrt(1 + 1/n), what one more such copy would be off by; top-1 and top-5 stand beside it. If
    the control is not off by more at that row, nothing can be told.
    """
    first = {name: _first(log["rows"][0], results[name]) for name in FIRST}
    copies = [result for name, result in results.items() if name not in (*FIRST, CONTROL)]
    done = min((len(result["loss"]) for name, result in results.items() if name not in FIRST), default=0)
    rows = [_row(row, copies, results[CONTROL]) for row in log["rows"] if row[0] < done]
    followed = None
    for row in rows:
        if not row["within"]:
            break
        followed = row
    equal = any(each["equal"] for each in first.values())
    judged = followed is None or followed["control_off"] > followed["bound"]
    return {
        "log": log["log"],
        "file": log["file"],
        "numbers": log["numbers"],
        "first": first,
        "first_equal": equal,
        "runs": len(copies),
        "steps": done,
        "rows": rows,
        "curves": {name: [round(loss, 6) for loss in results[name]["loss"]] for name in results if name not in FIRST},
        "followed_to": followed["step"] if followed and judged else None,
        "verdict": _verdict(equal, rows, followed, judged),
        "devices": sorted({result["device"] for result in results.values()}),
        "versions": next(iter(results.values()))["versions"],
    }


def _first(row: list, result: dict) -> dict:
    """What a computation of the first step has beside the log's."""
    ours = {name: result[name][0] for name in MEASURES}
    off = {name: ours[name] - value for name, value in zip(MEASURES, row[1:], strict=True)}
    equal = abs(off["loss"]) <= EQUAL and all(abs(off[name]) <= DIGITS for name in ("top1", "top5"))
    return {**ours, "logged": dict(zip(MEASURES, row[1:], strict=True)), "off": off["loss"], "equal": equal}


def _row(row: list, copies: list[dict], control: dict) -> dict:
    step, *logged = row
    by_measure = {name: [copy[name][step] for copy in copies] for name in MEASURES}
    n, losses = len(copies), by_measure["loss"]
    mean, spread = statistics.fmean(losses), statistics.stdev(losses)
    bound = T[n - 1] * spread * math.sqrt(1 + 1 / n)
    return {
        "step": step,
        "logged": dict(zip(MEASURES, logged, strict=True)),
        "mean": {name: statistics.fmean(values) for name, values in by_measure.items()},
        "std": {name: statistics.stdev(values) for name, values in by_measure.items()},
        "control": {name: control[name][step] for name in MEASURES},
        "bound": bound,
        "off": abs(logged[0] - mean),
        "control_off": abs(control["loss"][step] - mean),
        "within": abs(logged[0] - mean) <= bound,
    }


def _verdict(equal: bool, rows: list[dict], followed: dict | None, judged: bool) -> str:
    first = "first step equal" if equal else "first step differs"
    if not rows:
        return first
    if followed is None:
        return "not followed"
    return f"followed to step {followed['step']}" if judged else f"{first}, then cannot tell"
