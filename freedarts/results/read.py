"""What the tables are made of, read and checked: resources, and the finished results of a selection, from the current
folder. Imports no torch."""

import csv
from pathlib import Path

from freedarts.files import InputError, read_json
from freedarts.genotype import Genotype, Refused, read
from freedarts.study.paths import (
    ARCHITECTURE_SCORES,
    CORRELATION,
    COST,
    GENOTYPE,
    LOOKUP,
    SEARCH,
    Training,
    metrics_path,
)

SEARCH_KEYS = ("space", "proxy", "objective", "audit", "seconds", "peak_memory_mb")
LOOKUP_KEYS = ("best", "seeds")
CORRELATION_KEYS = ("accuracies",)
METRICS_KEYS = (
    "error_last",
    "error_best",
    "top5_error_last",
    "epochs",
    "parameters",
    "images_per_second",
    "hours",
    "device",
)


def searches(selected: list) -> dict[tuple[str, str], dict[int, dict]]:
    """selected: (supernet, score, seeds). Returns (supernet, score) -> seed -> scores.json."""
    return {
        (supernet, score): {
            seed: read_json(Path(SEARCH.format(supernet=supernet, score=score, seed=seed)), SEARCH_KEYS)
            for seed in seeds
        }
        for supernet, score, seeds in selected
    }


def genotypes(selected: list) -> dict[tuple[str, str], dict[int, Genotype | Refused]]:
    """selected: (supernet, source, seeds). Returns (supernet, source) -> seed -> genotype."""
    return {
        (supernet, source): {
            seed: read(Path(GENOTYPE.format(supernet=supernet, source=source, seed=seed))) for seed in seeds
        }
        for supernet, source, seeds in selected
    }


def costs(selected: list) -> dict[tuple[str, str, str], dict[int, dict | None]]:
    """selected: (task, supernet, source). Returns the same -> seed -> counts, None without a genotype."""
    return {
        (task, supernet, source): _by_seed(Path(COST.format(task=task, supernet=supernet, source=source)), "cost")["seeds"]
        for task, supernet, source in selected
    }


def lookups(selected: list) -> dict[tuple[str, str], dict]:
    """selected: (supernet, source). Returns the same -> what lookup_nasbench201 wrote."""
    return {
        (supernet, source): _by_seed(Path(LOOKUP.format(supernet=supernet, source=source)), "lookup_nasbench201", LOOKUP_KEYS)
        for supernet, source in selected
    }


def _by_seed(path: Path, rule: str, keys: tuple[str, ...] = ("seeds",)) -> dict:
    """A file with results by seed, which JSON has as text."""
    content = read_json(path, keys)
    try:
        return content | {"seeds": {int(seed): result for seed, result in content["seeds"].items()}}
    except (AttributeError, ValueError):
        raise InputError(f"{path}: not as {rule} writes it (seeds: expected an object with numbers for keys)") from None


def correlations(selected: list, benchmark: bool) -> dict[tuple[str, int, int], dict | None]:
    """selected: (score, architectures, seed). Returns the same -> what correlate wrote, None without a benchmark."""
    return {
        (score, count, seed): read_json(
            Path(CORRELATION.format(score=score, architectures=count, seed=seed)), CORRELATION_KEYS
        )
        if benchmark
        else None
        for score, count, seed in selected
    }


def architecture_scores(selected: list) -> dict[tuple[str, int, int], dict[int, float | None]]:
    """selected: (score, architectures, seed). Returns the same -> index -> score, None if it overflew."""
    found = {}
    for score, count, seed in selected:
        path = Path(ARCHITECTURE_SCORES.format(score=score, architectures=count, seed=seed))
        read = read_json(path, ("architectures", "scores"))
        if len(read["architectures"]) != len(read["scores"]):
            counts = f"{len(read['architectures'])} architectures and {len(read['scores'])} scores"
            raise InputError(f"{path}: {counts}; expected as many of one as of the other")
        found[score, count, seed] = dict(zip(read["architectures"], read["scores"], strict=True))
    return found


def trainings(selected: list) -> dict[Training, dict]:
    """selected: (task, supernet, source, seed, run). Returns the same -> metrics.json."""
    return {tuple(case): read_json(Path(metrics_path(case)), METRICS_KEYS) for case in selected}


def history(path: Path) -> list[tuple[int, float]]:
    """The (epoch, test error in percent) of each line of a training's history.csv."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [(int(row["epoch"]), float(row["test_error"])) for row in csv.DictReader(file)]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: expected numbers in the columns epoch and test_error ({error!r})") from None
