"""The results in the current folder against their manifest, and the tables made again from them."""

import math
from collections.abc import Iterator
from pathlib import Path

from freedarts.files import InputError, exists, files_in, read_bytes, read_json, sha256, sha256_of
from freedarts.results import assembly, read
from freedarts.study import kinds, paper, run_folder

FOLDERS = sorted({Path(kind.path).parts[1] for kind in kinds.KINDS})  # in results/


def faults(manifest: dict, made: set[str], base: Path) -> Iterator[str]:
    """A line for everything that does not match the *manifest*. made: files that Snakemake recorded, which may be of
    another selection. base: the folder of the workflow."""
    yield from damaged(manifest["files"])
    known = {*manifest["files"], *made}
    for path in (path for part in FOLDERS for path in files_in(Path("results", part))):
        if path.suffix == ".json" and str(path) not in known and path.name != run_folder.PROGRESS:
            yield f"{path}: extra, nothing here made it"
    for path in manifest["files"]:
        if kinds.of(path) is kinds.TRAINING:
            yield from headline(Path(path))
    yield from (line for _, line in verdicts(manifest, base))
    yield from tables(manifest, base)


def damaged(files: dict[str, str]) -> Iterator[str]:
    """files: digest by path."""
    for name, expected in files.items():
        if not exists(Path(name)):
            yield f"{name}: missing"
        elif sha256(Path(name)) != expected:
            yield f"{name}: changed since the tables were made"


def headline(path: Path) -> Iterator[str]:
    """The metrics of a training against what lies beside them, and the last error against its raw log."""
    try:
        run_folder.check(path)
        stated, history = read_json(path, ("error_last",))["error_last"], read.history(path.with_name("history.csv"))
        if not history or not math.isclose(stated, history[-1][1], rel_tol=1e-8, abs_tol=1e-8):
            last = history[-1][1] if history else "missing"
            yield f"{path}: error_last is {stated}, the last epoch of history.csv {last}"
    except InputError as error:
        yield str(error)


def verdicts(manifest: dict, base: Path) -> Iterator[tuple[str, str]]:
    """(file, what is wrong) of the readings of the paper's numbers against what they are of, and of the numbers against
    their readings. What cannot be read is left to others."""
    try:
        results, readings = manifest["settings"]["results"], manifest["settings"]["readings"]
        numbers = {number["id"]: number for number in paper.read(_resource(base, "numbers"), _schema(base))}
        there = read.trainings(results["trainings"])
        there |= paper.looked_up(read.results(kinds.LOOKUP, results["lookups"]))
        made = read.results(kinds.READING, results["readings"])
        stated = read.results(kinds.NUMBER, results["numbers"])
        for (number, name), reading in made.items():
            cases = paper.reading_cases(numbers[number], readings, name)
            if reading != paper.reading(numbers[number], there, cases):
                yield (path := kinds.READING.file((number, name))), f"{path}: comes out differently from its results"
        searches, genotypes = read.searches(results["searches"]), read.genotypes(results["genotypes"])
        for (number,), judged in stated.items():
            genotype = paper.found_again(numbers[number], readings, searches, genotypes)
            if judged != paper.judged(numbers[number], made[number, paper.JUDGED], genotype):
                yield (path := kinds.NUMBER.file((number,))), f"{path}: comes out differently from its reading"
    except (InputError, AttributeError, KeyError, TypeError, ValueError):
        return


def _resource(base: Path, name: str) -> Path:
    return base / "resources" / f"{name}.yaml"


def _schema(base: Path) -> Path:
    return base / "config" / "schema.yaml"


def tables(manifest: dict, base: Path) -> Iterator[str]:
    """The tables, and what the paper and the release print, against the *manifest* and what the results give now."""
    published = assembly.published(base)
    for name, path in published.items():
        if sha256(path) != manifest["published"].get(name):
            yield f"{path}: not the one that the tables were made with"
    try:
        texts = assembly.build(manifest["settings"], published, _schema(base))
    except (InputError, AttributeError, KeyError, TypeError, ValueError) as error:
        yield f"the tables cannot be made again: {error}"
        return
    for name, digest in manifest["tables"].items():
        text = texts[Path(name).suffix]
        if sha256_of(text.encode()) != digest:
            yield f"{name}: comes out differently from these results"
        if not exists(Path(name)):
            yield f"{name}: missing"
        elif read_bytes(Path(name)) != text.encode():
            yield f"{name}: is not what these results give"
