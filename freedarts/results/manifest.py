"""The manifest of the tables: digests of all that they were made from, and what made it. Imports neither torch nor
pandas."""

from collections.abc import Iterator
from pathlib import Path

from freedarts.files import VERSION, InputError, read_json, sha256, sha256_of
from freedarts.study import run_folder
from freedarts.study.code import commit
from freedarts.study.paths import ARCHITECTURE_SCORES, CORRELATION, COST, GENOTYPE, LOOKUP, NUMBER, SEARCH, metrics_path

NAME = Path("results/manifest.json")
FORMAT = 2  # of the manifest; another one is refused
KEYS = ("settings", "published", "files", "tables")
BENCHMARKS = "results/benchmarks/"  # Snakemake's measurements, by the path of what they measured


def _files(selected: dict) -> Iterator[str]:
    """Of all results that the tables of a selection need, directly or not; some may not be there."""
    searches = [*selected["searches"], *selected["number_searches"]]
    for supernet, score, seeds in searches:
        for seed in seeds:
            path = SEARCH.format(supernet=supernet, score=score, seed=seed)
            yield from (path, f"{BENCHMARKS}{Path(path).parent.relative_to('results')}.tsv")
    for supernet, source, seeds in [*searches, *selected["sources"]]:
        yield from (GENOTYPE.format(supernet=supernet, source=source, seed=seed) for seed in seeds)
    yield from (COST.format(task=t, supernet=n, source=s) for t, n, s in selected["costs"])
    yield from (LOOKUP.format(supernet=n, source=s) for n, s in selected["lookups"])
    for score, count, seed in selected["correlations"]:
        for pattern in (ARCHITECTURE_SCORES, CORRELATION):
            yield pattern.format(score=score, architectures=count, seed=seed)
    for case in selected["trainings"]:
        metrics = Path(metrics_path(case))
        yield from (str(metrics), *(str(metrics.with_name(name)) for name in run_folder.FILES))
        yield f"{BENCHMARKS}{metrics.parent.relative_to('results')}.tsv"
    yield from (NUMBER.format(number=number) for number in selected["numbers"])


def make(selected: dict, published: dict[str, Path], tables: dict[str, str]) -> dict:
    """selected, published: as assembly.build takes them. tables: the texts that it made, by their file.

    Raises InputError where a training's files are not those that it wrote."""
    paths = [path for path in dict.fromkeys(_files(selected)) if Path(path).is_file()]
    made_by, devices = set(), set()
    for path in paths:
        if path.endswith(("scores.json", "metrics.json")):
            result = read_json(Path(path))
            if path.endswith("metrics.json"):
                run_folder.check(Path(path))
            versions = result.get("versions", {})
            made_by.add(", ".join(f"{name} {version}" for name, version in sorted(versions.items())))
            devices.add(result.get("device"))
    at = commit()
    return {
        "format": FORMAT,
        "version": VERSION,
        "commit": at and at.removesuffix("+"),
        "dirty": at and at.endswith("+"),
        "versions": sorted(filter(None, made_by)),
        "devices": sorted(filter(None, devices)),
        "settings": selected,
        "published": {name: sha256(path) for name, path in published.items()},
        "files": {path: sha256(Path(path)) for path in paths},
        "tables": {name: sha256_of(text.encode()) for name, text in tables.items()},
    }


def read(path: Path) -> dict:
    return check(read_json(path, ("format",)), str(path))


def check(manifest: dict, where: str) -> dict:
    """InputError if *manifest* is of another version of this project."""
    if manifest.get("format") != FORMAT:
        version = manifest.get("version", "an unknown version")
        raise InputError(f"{where}: format {manifest.get('format')!r}, made by {version}; this one reads {FORMAT}")
    if missing := [key for key in KEYS if not isinstance(manifest.get(key), dict)]:
        raise InputError(f"{where}: {missing[0]}: expected an object")
    return manifest
