"""The numbers that the paper and its release print: what would reproduce each, and by which rule it counts as that.

Imports neither torch nor pandas.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from freedarts.files import InputError, nearest
from freedarts.nasbench201 import VERSIONS
from freedarts.study import settings
from freedarts.study.paths import Training

MINIMUM = 3  # trainings, before there is a verdict
NOT_RUN = "not run"
JUDGED = "published"  # the reading whose verdict is that on the number
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


def entry(path: Path, schema: Path, name: str) -> dict:
    """The number *name* of the file. InputError if there is none."""
    numbers = {number["id"]: number for number in read(path, schema)}
    if name not in numbers:
        raise InputError(f"{path}: no number {name!r}; there are: {', '.join(numbers)}{nearest(name, numbers)}")
    return numbers[name]


def version(number: dict, results: dict[Case, dict], wanted: list[Case]) -> str | None:
    """The version of the benchmark in which a number is looked up: that of the release, or, where the *results* have
    nothing in it, another one. None if there is none, and for trainings."""
    if not is_lookup(number):
        return None
    of = number["reproduced_by"]
    there = [v for case in wanted for v, means in results.get(case, {}).items() if means.get(of["lookup"]) is not None]
    return min(there, key=[of["version"], *VERSIONS, *there].index, default=None)


def values(number: dict, results: dict[Case, dict], wanted: list[Case]) -> list[float]:
    """Of those *wanted* that *results* has: accuracies, in one version of the benchmark, or errors in the last epoch,
    because the best one is chosen on the test set."""
    trained = {"top-1 error": "error_last", "top-5 error": "top5_error_last"}
    key = number["reproduced_by"].get("lookup") or trained[number["measure"]]
    there = [results[case] for case in wanted if case in results]
    if is_lookup(number):
        there = [means.get(version(number, results, wanted), {}) for means in there]
    return [each[key] for each in there if each.get(key) is not None]


def is_lookup(number: dict) -> bool:
    """Whether NAS-Bench-201 holds it; otherwise it is trained."""
    return "lookup" in number["reproduced_by"]


def cases(number: dict, readings: dict[str, dict]) -> dict[str, list[Case]]:
    """{reading: what has to be trained, or looked up}. The published genotypes are trained `runs` times in all, at
    least once each; another reading's are those of its own source, searched on the same supernet."""
    by = number["reproduced_by"]
    if is_lookup(number):
        return {"published": [(by["supernet"], by["source"], seed) for seed in by["seeds"]]}
    trained = {}
    for name, reading in readings.items():
        seeds = range(reading["seeds"]) if "source" in reading else by["seeds"]
        source = reading.get("source", by["source"])
        runs = reading["runs"] if "source" in reading else math.ceil(reading["runs"] / len(seeds))
        trainings = [(by["task"], by["supernet"], source, seed, run) for run in range(runs) for seed in seeds]
        trained[name] = trainings
    return trained


def reading_cases(number: dict, readings: dict[str, dict], name: str) -> list[Case]:
    """The same of the reading *name*. InputError if the number has none."""
    by_reading = cases(number, readings)
    if name not in by_reading:
        there = f"{', '.join(by_reading)}{nearest(name, by_reading)}"
        raise InputError(f"{number['id']}: no reading {name!r}; there are: {there}")
    return by_reading[name]


def chosen(names: Iterable[str], numbers: dict[str, dict], readings: dict[str, dict]) -> dict[str, list[str]]:
    """{number: readings} of what the configuration selects: `ID` is a number with all its readings, `ID/READING` with
    one of them. numbers: entries by id. InputError for a name that is neither."""
    selected: dict[str, dict[str, None]] = {}
    for name in names:
        number, _, reading = (name, "", "") if name in numbers else name.rpartition("/")
        if number not in numbers:
            raise InputError(f"unknown number {name!r}; known: {', '.join(numbers)}{nearest(name, numbers)}")
        if reading:
            reading_cases(numbers[number], readings, reading)
        its = [reading] if reading else cases(numbers[number], readings)
        selected.setdefault(number, {}).update(dict.fromkeys(its))
    return {number: list(its) for number, its in selected.items()}


def searched(number: dict, readings: dict[str, dict]) -> tuple[str, str]:
    """The supernet and the score whose searches should find the published genotypes."""
    by = number["reproduced_by"]
    return by["supernet"], by.get("score", readings["searched"]["source"])


def searches(numbers: Iterable[dict], readings: dict[str, dict]) -> list[tuple[str, str, list[int]]]:
    """(supernet, score, seeds) of all searches that numbers are compared with."""
    seeds_of: dict[tuple[str, str], set[int]] = {}
    for number in numbers:
        seeds_of.setdefault(searched(number, readings), set()).update(number["reproduced_by"]["seeds"])
    return [(*case, sorted(seeds)) for case, seeds in seeds_of.items()]


def looked_up(lookups: dict[tuple[str, str], dict]) -> dict[Case, dict[str, dict[str, float | None]]]:
    """The mean accuracies, by version of the benchmark, in what lookup_nasbench201 wrote, by (supernet, source)."""
    return {
        (*where, seed): {
            version: {column: accuracy and accuracy["mean"] for column, accuracy in accuracies.items()}
            for version, accuracies in of["accuracies"].items()
        }
        for where, lookup in lookups.items()
        for seed, of in lookup["seeds"].items()
        if of
    }


def allowed(number: dict, measured: Sequence[float]) -> float | None:
    """How far the mean of n values may be from the published one; None if they are too few. Of errors: twice the
    standard deviation between trainings, but at least twice the floor, times sqrt(1 + 1/n), because the published error
    is itself one training."""
    tolerance = number["tolerance"]
    if is_lookup(number):
        return tolerance["at_most"] if measured else None
    if len(measured) < MINIMUM:
        return None
    return 2 * max(statistics.stdev(measured), tolerance["floor"]) * math.sqrt(1 + 1 / len(measured))


def verdict(number: dict, measured: Sequence[float], version: str | None = None) -> str:
    """`reproduced`, `not reproduced`, `partial` or `not run`; the rule was fixed before anything was trained. version:
    of the benchmark, for what is looked up: another one than the release's, where its digits differ, says nothing."""
    if not measured:
        return NOT_RUN
    tolerance = allowed(number, measured)
    if tolerance is None:
        return f"partial ({len(measured)} of {MINIMUM} runs)"
    if abs(statistics.fmean(measured) - number["value"]) <= tolerance + ROUNDING:
        return "reproduced"
    printed_from = number["reproduced_by"].get("version")
    return "not reproduced" if version == printed_from else f"needs the {printed_from} file"


def reading(number: dict, results: dict[Case, dict], wanted: list[Case]) -> dict:
    """What the file of a reading holds, of those *wanted* that *results* has."""
    measured = values(number, results, wanted)
    best, judged_in = number["measure"] == "top-1 error", version(number, results, wanted)
    return {
        "n": len(measured),
        "values": measured,
        "mean": statistics.fmean(measured) if measured else None,
        "std": statistics.stdev(measured) if len(measured) > 1 else None,
        "tolerance": allowed(number, measured),
        "version": judged_in,
        "verdict": verdict(number, measured, judged_in),
        "best_on_test": [results[case]["error_best"] for case in wanted if case in results] if best else None,
        "missing": [list(case) for case in wanted if case not in results],
    }


def judged(number: dict, published: dict, genotype: str) -> dict:
    """What the file of a number holds. published: the content of the file of that reading, which alone is judged;
    genotype: as found_again says."""
    return {**number, "verdict": published["verdict"], "genotype": genotype, "readings": {JUDGED: published}}


def so_far(
    number: dict,
    readings: dict[str, dict],
    results: dict[Case, dict],
    searches: dict[tuple[str, str], dict[int, dict]],
    genotypes: dict[tuple[str, str], dict[int, object]],
) -> dict:
    """The same with all readings, where the files have not been made, of the results that there are. readings: the
    configuration's. searches, genotypes: by (supernet, source), then by seed."""
    made = {name: reading(number, results, wanted) for name, wanted in cases(number, readings).items()}
    genotype = found_again(number, readings, searches, genotypes)
    return judged(number, made[JUDGED], genotype) | {"readings": made}


def found_again(
    number: dict,
    readings: dict[str, dict],
    searches: dict[tuple[str, str], dict[int, dict]],
    genotypes: dict[tuple[str, str], dict[int, object]],
) -> str:
    """Whether the searches find the published genotypes from their seeds. Arguments as of so_far."""
    by, score = number["reproduced_by"], searched(number, readings)
    audited, ours = searches.get(score, {}), genotypes.get(score, {})
    theirs = genotypes.get((by["supernet"], by["source"]), {})
    seeds = [seed for seed in by["seeds"] if seed in audited and seed in theirs]
    if not seeds:
        return NOT_RUN
    if noise := sum(audited[seed]["audit"]["verdict"] == "noise" for seed in seeds):
        return f"not reproducible in principle: rounding noise in {noise} of {len(seeds)} searches"
    same = sum(ours[seed] == theirs[seed] for seed in seeds)
    return "reproduced" if same == len(seeds) else f"not reproduced: {same} of {len(seeds)} the same"
