"""The figures that the paper prints: what would reproduce each, and the rule by which it counts as reproduced.

Imports neither torch nor pandas.
"""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from freedarts import settings
from freedarts.files import InputError

MINIMUM = 3  # trainings, before there is a verdict
NOT_RUN = "not run"
Training = tuple[str, str, str, int, int]  # task, supernet, source, search seed, run


def read(path: Path) -> list[dict]:
    """The figures of resources/numbers.yaml. InputError that names the entry and the key which is wrong."""
    numbers = settings.read_yaml(path)
    if found := settings.faults(numbers, "numbers"):
        raise InputError("\n  ".join([f"{path}: not valid", *found]))
    seen = set()
    for number in numbers:
        if number["id"] in seen:
            raise InputError(f"{path}: two numbers have the id {number['id']!r}")
        seen.add(number["id"])
    return numbers


def errors(number: dict, metrics: dict[Training, dict], wanted: list[Training]) -> list[float]:
    """Of those *wanted* that *metrics* has: in the last epoch, because the best one is chosen on the test set."""
    key = "error_last" if number["measure"] == "top-1" else "top5_error_last"
    return [metrics[case][key] for case in wanted if case in metrics]


def trainings(number: dict, readings: dict[str, dict]) -> dict[str, list[Training]]:
    """{reading: what has to be trained}. The published genotypes are trained `runs` times in all, at least once each;
    another reading's are those of its own source, searched on the same supernet."""
    wanted = number["reproduced_by"]
    found = {}
    for name, reading in readings.items():
        seeds = range(reading["seeds"]) if "source" in reading else wanted["seeds"]
        source = reading.get("source", wanted["source"])
        runs = reading["runs"] if "source" in reading else math.ceil(reading["runs"] / len(seeds))
        cases = [(wanted["task"], wanted["supernet"], source, seed, run) for run in range(runs) for seed in seeds]
        found[name] = cases
    return found


def tolerance(errors: Sequence[float], floor: float) -> float | None:
    """How far the mean of n errors may be from the published one: twice the standard deviation between trainings, but
    at least twice *floor*, times sqrt(1 + 1/n), because the published error is itself one training. None below the
    MINIMUM."""
    if len(errors) < MINIMUM:
        return None
    return 2 * max(statistics.stdev(errors), floor) * math.sqrt(1 + 1 / len(errors))


def verdict(published: float, floor: float, errors: Sequence[float]) -> str:
    """`reproduced`, `not reproduced`, `partial` or `not run`; the rule was fixed before anything was trained."""
    if not errors:
        return NOT_RUN
    allowed = tolerance(errors, floor)
    if allowed is None:
        return f"partial ({len(errors)} of {MINIMUM} runs)"
    return "reproduced" if abs(statistics.fmean(errors) - published) <= allowed else "not reproduced"


def reading(number: dict, metrics: dict[Training, dict], wanted: list[Training]) -> dict:
    """What *wanted* gave, of which *metrics* holds those that there are."""
    last = errors(number, metrics, wanted)
    best = [metrics[case]["error_best"] for case in wanted if case in metrics]
    return {
        "n": len(last),
        "mean": statistics.fmean(last) if last else None,
        "std": statistics.stdev(last) if len(last) > 1 else None,
        "tolerance": tolerance(last, number["floor"]),
        "verdict": verdict(number["value"], number["floor"], last),
        "best_on_test": best if number["measure"] == "top-1" else None,
        "missing": [list(case) for case in wanted if case not in metrics],
    }


def found_again(
    number: dict, searches: dict[int, dict], searched: dict[int, object], published: dict[int, object]
) -> str:
    """Whether the search finds the published genotypes from their seeds. By seed: what the searches wrote, where they
    were made, the genotypes that they selected, and the published ones."""
    seeds = [seed for seed in number["reproduced_by"]["seeds"] if seed in searches and seed in published]
    if not seeds:
        return NOT_RUN
    if noise := sum(searches[seed]["audit"]["verdict"] == "noise" for seed in seeds):
        return f"not reproducible in principle: rounding noise in {noise} of {len(seeds)} searches"
    same = sum(searched[seed] == published[seed] for seed in seeds)
    return "reproduced" if same == len(seeds) else f"not reproduced: {same} of {len(seeds)} the same"
