"""What the tables are made of, read and checked: the finished results of a selection, from the current folder. Imports
no torch.

A selection is what Kind.selected of freedarts.study.kinds gives: lists of values of a kind's wildcards.
"""

import csv
from io import StringIO
from pathlib import Path

from freedarts import genotype
from freedarts.files import InputError, read_bytes, read_json
from freedarts.genotype import Genotype, Refused
from freedarts.study import kinds
from freedarts.study.kinds import Kind
from freedarts.study.paths import Training


def result(kind: Kind, case: tuple) -> dict:
    """What one file holds; results by seed, whose keys are text in JSON, are by numbers."""
    path = Path(kind.file(case))
    content = read_json(path, kind.keys)
    if "seeds" not in kind.keys:
        return content
    try:
        return content | {"seeds": {int(seed): result for seed, result in content["seeds"].items()}}
    except (AttributeError, ValueError):
        why = "seeds: expected an object with numbers for keys"
        raise InputError(f"{path}: not as {' or '.join(kind.rules)} writes it ({why})") from None


def results(kind: Kind, selected: list) -> dict[tuple, dict]:
    """What each file of a kind holds, by the values of its wildcards."""
    return {case: result(kind, case) for case in kinds.cases(selected)}


def searches(selected: list) -> dict[tuple[str, str], dict[int, dict]]:
    """(supernet, score) -> seed -> scores.json."""
    return _by_seed(results(kinds.SEARCH, selected))


def genotypes(selected: list) -> dict[tuple[str, str], dict[int, Genotype | Refused]]:
    """(supernet, source) -> seed -> genotype."""
    return _by_seed({case: genotype.read(Path(kinds.GENOTYPE.file(case))) for case in kinds.cases(selected)})


def _by_seed(results: dict[tuple, object]) -> dict[tuple, dict[int, object]]:
    """The seed is the last wildcard."""
    found: dict[tuple, dict[int, object]] = {}
    for (*case, seed), content in results.items():
        found.setdefault(tuple(case), {})[seed] = content
    return found


def costs(selected: list) -> dict[tuple[str, str, str], dict[int, dict | None]]:
    """(task, supernet, source) -> seed -> counts, None without a genotype."""
    return {case: found["seeds"] for case, found in results(kinds.COST, selected).items()}


def architecture_scores(selected: list) -> dict[tuple[str, int, int], dict[int, float | None]]:
    """(score, architectures, seed) -> index -> score, None if it overflew."""
    found = {}
    for case, read in results(kinds.ARCHITECTURE_SCORES, selected).items():
        if len(read["architectures"]) != len(read["scores"]):
            counts = f"{len(read['architectures'])} architectures and {len(read['scores'])} scores"
            where = kinds.ARCHITECTURE_SCORES.file(case)
            raise InputError(f"{where}: {counts}; expected as many of one as of the other")
        found[case] = dict(zip(read["architectures"], read["scores"], strict=True))
    return found


def replays(selected: list, kept: dict[str, Path]) -> dict[str, dict]:
    """log -> how far it was followed: here, or else as the project keeps it."""
    here = {log: found for (log,), found in results(kinds.REPLAY, selected).items()}
    return {log: here.get(log) or read_json(kept[log], kinds.REPLAY.keys) for log in sorted({*here, *kept})}


def trainings(selected: list) -> dict[Training, dict]:
    """(task, supernet, source, seed, run) -> metrics.json."""
    return results(kinds.TRAINING, selected)


def history(path: Path) -> list[tuple[int, float]]:
    """The (epoch, test error in percent) of each line of a training's history.csv."""
    content = read_bytes(path)
    try:
        rows = csv.DictReader(StringIO(content.decode(), newline=""))
        return [(int(row["epoch"]), float(row["test_error"])) for row in rows]
    except (UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: expected numbers in the columns epoch and test_error ({error!r})") from None
