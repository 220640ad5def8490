"""The figures that the paper and its release print: what would reproduce each, and by which rule it counts as that.

Imports neither torch nor pandas.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from freedarts.files import InputError
from freedarts.nasbench201 import FIGURES
from freedarts.study import settings
from freedarts.study.paths import Training

MINIMUM = 3  # trainings, before there is a verdict
NOT_RUN = "not run"
ROUNDING = 1e-9  # of a difference of printed digits
DATA = {"CIFAR-10": "cifar10", "CIFAR-100": "cifar100", "ImageNet16-120": "imagenet16"}  # as look-ups call it
Case = Training | tuple[str, str, int]  # a training, or whose genotype is looked up: supernet, source, search seed


def read(path: Path, schema: Path) -> list[dict]:
    """The numbers of resources/numbers.yaml. InputError that names the entry and the key which is wrong."""
    numbers = settings.read_yaml(path)
    if found := settings.faults(numbers, schema, "numbers"):
        raise InputError("\n  ".join([f"{path}: not valid", *found]))
    seen = set()
    for number in numbers:
        if number["id"] in seen:
            raise InputError(f"{path}: two numbers have the id {number['id']!r}")
        seen.add(number["id"])
        part = "valid" if number["measure"] == "validation accuracy" else "test"
        if is_lookup(number) and number["reproduced_by"]["lookup"] != (name := f"{DATA.get(number['dataset'])}_{part}"):
            given = f"lookup {number['reproduced_by']['lookup']!r} of {number['dataset']}, {number['measure']}"
            raise InputError(f"{path}: {number['id']}: {given}; expected {name!r}")
    return numbers


def values(number: dict, results: dict[Case, dict], wanted: list[Case]) -> list[float]:
    """Of those *wanted* that *results* has: accuracies, or errors in the last epoch, because the best one is chosen on
    the test set."""
    trained = {"top-1 error": "error_last", "top-5 error": "top5_error_last"}
    key = number["reproduced_by"].get("lookup") or trained[number["measure"]]
    return [results[case][key] for case in wanted if case in results and results[case].get(key) is not None]


def is_lookup(number: dict) -> bool:
    """Whether NAS-Bench-201 holds the figure; otherwise it is trained."""
    return "lookup" in number["reproduced_by"]


def cases(number: dict, readings: dict[str, dict]) -> dict[str, list[Case]]:
    """{reading: what has to be trained, or looked up}. The published genotypes are trained `runs` times in all, at
    least once each; another reading's are those of its own source, searched on the same supernet."""
    wanted = number["reproduced_by"]
    if is_lookup(number):
        return {"published": [(wanted["supernet"], wanted["source"], seed) for seed in wanted["seeds"]]}
    found = {}
    for name, reading in readings.items():
        seeds = range(reading["seeds"]) if "source" in reading else wanted["seeds"]
        source = reading.get("source", wanted["source"])
        runs = reading["runs"] if "source" in reading else math.ceil(reading["runs"] / len(seeds))
        trainings = [(wanted["task"], wanted["supernet"], source, seed, run) for run in range(runs) for seed in seeds]
        found[name] = trainings
    return found


def trainings(number: dict, readings: dict[str, dict]) -> list[Training]:
    """What has to be trained for all readings of a figure."""
    return [] if is_lookup(number) else [case for found in cases(number, readings).values() for case in found]


def searched(number: dict, readings: dict[str, dict]) -> tuple[str, str]:
    """The supernet and the score whose searches should find the published genotypes."""
    wanted = number["reproduced_by"]
    return wanted["supernet"], wanted.get("score", readings["searched"]["source"])


def searches(numbers: Iterable[dict], readings: dict[str, dict]) -> list[tuple[str, str, list[int]]]:
    """(supernet, score, seeds) of all searches that figures are compared with."""
    found: dict[tuple[str, str], set[int]] = {}
    for number in numbers:
        found.setdefault(searched(number, readings), set()).update(number["reproduced_by"]["seeds"])
    return [(*case, sorted(seeds)) for case, seeds in found.items()]


def looked_up(lookups: dict[tuple[str, str], dict]) -> dict[Case, dict[str, float | None]]:
    """The mean accuracies in what lookup_nasbench201 wrote, by (supernet, source)."""
    return {
        (*where, seed): {column: figures[column] and figures[column]["mean"] for column in FIGURES if column in figures}
        for where, found in lookups.items()
        for seed, figures in found["seeds"].items()
        if figures
    }


def allowed(number: dict, found: Sequence[float]) -> float | None:
    """How far the mean of n values may be from the published one; None if they are too few. Of errors: twice the
    standard deviation between trainings, but at least twice the floor, times sqrt(1 + 1/n), because the published error
    is itself one training."""
    tolerance = number["tolerance"]
    if is_lookup(number):
        return tolerance["at_most"] if found else None
    if len(found) < MINIMUM:
        return None
    return 2 * max(statistics.stdev(found), tolerance["floor"]) * math.sqrt(1 + 1 / len(found))


def verdict(number: dict, found: Sequence[float]) -> str:
    """`reproduced`, `not reproduced`, `partial` or `not run`; the rule was fixed before anything was trained."""
    if not found:
        return NOT_RUN
    tolerance = allowed(number, found)
    if tolerance is None:
        return f"partial ({len(found)} of {MINIMUM} runs)"
    return "reproduced" if abs(statistics.fmean(found) - number["value"]) <= tolerance + ROUNDING else "not reproduced"


def reading(number: dict, results: dict[Case, dict], wanted: list[Case]) -> dict:
    """What *wanted* gave, of which *results* holds those that there are."""
    found = values(number, results, wanted)
    best = number["measure"] == "top-1 error"
    return {
        "n": len(found),
        "mean": statistics.fmean(found) if found else None,
        "std": statistics.stdev(found) if len(found) > 1 else None,
        "tolerance": allowed(number, found),
        "verdict": verdict(number, found),
        "best_on_test": [results[case]["error_best"] for case in wanted if case in results] if best else None,
        "missing": [list(case) for case in wanted if case not in results],
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
