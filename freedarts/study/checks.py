"""What does not fit together in a configuration that is right by the schema, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from freedarts import scores
from freedarts.files import InputError, nearest
from freedarts.nasbench201 import TABLE
from freedarts.study import paper, paths, settings

if TYPE_CHECKING:
    from freedarts.study.catalogue import Catalogue

PUBLISHED = "published"  # the kind of a source that does not say
NO_FILE = "nasbench201.file: null; allowed: path of a NAS-Bench-201 file, or `download` (4.7 GB)"


def faults(catalogue: Catalogue) -> Iterator[str]:
    """All of the following."""
    yield from name_faults(catalogue)
    yield from entry_faults(catalogue)
    yield from source_faults(catalogue)
    yield from file_faults(catalogue)
    yield from score_faults(catalogue)
    yield from search_faults(catalogue)
    yield from selection_faults(catalogue)
    yield from reading_faults(catalogue)
    yield from replay_faults(catalogue)
    yield from all_number_faults(catalogue)


def name_faults(catalogue: Catalogue) -> Iterator[str]:
    if (name := catalogue.config.get("name")) in paths.FOLDERS:
        yield f"name: {name!r} is a folder of results/ already; allowed: any but {', '.join(paths.FOLDERS)}"


def entry_faults(catalogue: Catalogue) -> Iterator[str]:
    """Of supernets, tasks and architecture scores, each by itself."""
    checks = {
        "supernets": settings.supernet_faults,
        "tasks": lambda task: settings.task_faults(task, catalogue.datasets),
        "architecture_scores": lambda score: settings.architecture_score_faults(score, catalogue.datasets),
    }
    for kind, check in checks.items():
        for name, entry in catalogue.config[kind].items():
            yield from (f"{kind}.{name}.{fault}" for fault in check(entry))


def source_faults(catalogue: Catalogue) -> Iterator[str]:
    config = catalogue.config
    for name in set(config["scores"]) & set(config["sources"]):
        yield f"sources.{name}: a score has this name"
    for name, source in config["sources"].items():
        where = f"sources.{name}"
        unknown = list(_unknown_names(catalogue, where, "supernet", source["supernets"]))
        yield from unknown or _source_faults(catalogue, where, name, source)


def _source_faults(catalogue: Catalogue, where: str, name: str, source: dict) -> Iterator[str]:
    kind = source.get("kind", PUBLISHED)
    if kind == PUBLISHED:
        paths = (catalogue.published_file(n, name, seed) for n, seed in product(source["supernets"], source["seeds"]))
        yield from (f"{where}: no file {path}" for path in paths if not path.exists())
    if kind == "largest" and len(source["seeds"]) > 1:
        yield f"{where}.seeds: {source['seeds']}, but the largest architecture is one; allowed: a single seed"
    if "match" in source:
        yield from _match_faults(catalogue, f"{where}.match", source)


def _match_faults(catalogue: Catalogue, where: str, source: dict) -> Iterator[str]:
    match, kind, config = source["match"], source.get("kind", PUBLISHED), catalogue.config
    others = [name for name, other in config["sources"].items() if other.get("kind") != "random-matched"]
    if kind != "random-matched":
        yield f"{where}: {match!r} with kind {kind}; allowed with random-matched alone"
    elif match not in (known := [*config["scores"], *others]):
        yield f"{where}: {match!r}; allowed: a score, or a source of another kind: {', '.join(known)}"
    elif match in others:
        for supernet in source["supernets"]:
            try:
                catalogue.seeds(supernet, match)
            except InputError as error:
                yield f"{where}: {error}"


def file_faults(catalogue: Catalogue) -> Iterator[str]:
    """Once converted the benchmark's file is needed no more. Snakemake itself takes a missing one for "nothing to be
    done" where there are older tables."""
    file = catalogue.config["nasbench201"]["file"]
    converted = catalogue.data / Path(TABLE).relative_to("data")
    if file not in (None, "download") and not Path(file).exists() and not converted.exists():
        yield f"nasbench201.file: no file or folder {file!r}; allowed: a path, `download` (4.7 GB), null"


def score_faults(catalogue: Catalogue) -> Iterator[str]:
    config, broken = catalogue.config, set()
    for name, score in config["scores"].items():
        yield from _unknown_names(catalogue, f"scores.{name}.overrides", "supernet", score.get("overrides", {}))
    for name, score in config["scores"].items():
        for proxy in {s["proxy"] for s in (score["settings"], *score.get("overrides", {}).values()) if "proxy" in s}:
            try:
                scores.signature(proxy)
            except InputError as error:
                broken.add(name)
                yield f"scores.{name}: {error}"
    for supernet, name in product(config["supernets"], config["scores"]):
        try:
            if name not in broken:
                scores.from_settings(catalogue.score(supernet, name), catalogue.datasets)
        except InputError as error:
            yield f"scores.{name} on {supernet}: {error}"


def search_faults(catalogue: Catalogue) -> Iterator[str]:
    for index, entry in enumerate(catalogue.config["search"]):
        where = f"search[{index}]"
        unknown = [
            *_unknown_names(catalogue, where, "supernet", entry["supernets"]),
            *_unknown_names(catalogue, where, "score", entry["scores"]),
        ]
        yield from unknown
        for supernet, name in () if unknown else product(entry["supernets"], entry["scores"]):
            try:
                catalogue.search_settings(supernet, name)
            except InputError as error:
                yield f"{where}: {error}"


def selection_faults(catalogue: Catalogue) -> Iterator[str]:
    """Of what is selected to be counted, trained and correlated."""
    config = catalogue.config
    for index, entry in enumerate(config["costs"]):
        for case in product(entry["tasks"], entry["supernets"], entry["sources"]):
            yield from _combination_faults(catalogue, f"costs[{index}]", *case)
    for index, entry in enumerate(config["retrain"]):
        yield from _training_faults(catalogue, f"retrain[{index}]", entry)
    for index, entry in enumerate(config["correlation"]):
        yield from _unknown_names(catalogue, f"correlation[{index}]", "architecture_score", entry["scores"])


def reading_faults(catalogue: Catalogue) -> Iterator[str]:
    config = catalogue.config
    for name, reading in config["readings"].items():
        searched = name == "searched"
        known = [*config["scores"], *([] if searched else config["sources"])]
        if "source" in reading and reading["source"] not in known:
            yield _unknown(f"readings.{name}", "score" if searched else "source", reading["source"], known)


def replay_faults(catalogue: Catalogue) -> Iterator[str]:
    for name in catalogue.config["replays"]:
        if name not in catalogue.logs:
            yield _unknown("replays", "log", name, catalogue.replayable)
        elif why := catalogue.logs[name].get("why"):
            yield f"replays.{name}: cannot be replayed: {why}; allowed: {', '.join(catalogue.replayable)}"


def all_number_faults(catalogue: Catalogue) -> Iterator[str]:
    """Of all numbers that are selected."""
    for name in catalogue.config["numbers"]:
        try:
            for number in paper.chosen([name], catalogue.numbers, catalogue.config["readings"]):
                yield from number_faults(catalogue, number)
        except InputError as error:
            yield f"numbers: {error}"


def number_faults(catalogue: Catalogue, name: str) -> Iterator[str]:
    """Why the trainings or the look-up that would reproduce a number cannot be."""
    number, where = catalogue.numbers[name], f"numbers: {name}"
    reproduced_by = number["reproduced_by"]
    if paper.is_lookup(number):
        yield from _lookup_faults(catalogue, where, reproduced_by)
        return
    yield from _training_faults(catalogue, where, reproduced_by)
    trained_on = catalogue.config["tasks"].get(reproduced_by["task"], {}).get("dataset")
    if trained_on and trained_on != (dataset := number["dataset"].replace("-", "").lower()):
        yield f"{where}: is of {dataset}, but the task {reproduced_by['task']!r} of {trained_on}"


def _lookup_faults(catalogue: Catalogue, where: str, entry: dict) -> Iterator[str]:
    supernet, score = entry["supernet"], entry["score"]
    names = [
        *_name_faults(catalogue, where, supernet, entry["source"]),
        *_unknown_names(catalogue, where, "score", [score]),
    ]
    yield from names
    try:
        if not names:
            yield from _seed_faults(catalogue, where, entry)
            catalogue.search_settings(supernet, score)
    except InputError as error:
        yield f"{where}: {error}"


def _training_faults(catalogue: Catalogue, where: str, entry: dict) -> Iterator[str]:
    """entry: task, supernet, source and, where not all are trained, seeds."""
    combination = list(_combination_faults(catalogue, where, entry["task"], entry["supernet"], entry["source"]))
    yield from combination
    if combination:
        return
    if "protocol" not in catalogue.config["tasks"][entry["task"]]:
        yield f"{where}: task {entry['task']!r} has no protocol to train with"
    yield from _seed_faults(catalogue, where, entry)


def _seed_faults(catalogue: Catalogue, where: str, entry: dict) -> Iterator[str]:
    available = catalogue.seeds(entry["supernet"], entry["source"])
    for seed in entry.get("seeds", []):
        if seed not in available:
            yield f"{where}: no seed {seed} of {entry['source']} on {entry['supernet']}; there are: {available}"


def _combination_faults(catalogue: Catalogue, where: str, task: str, supernet: str, source: str) -> Iterator[str]:
    unknown = [
        *_unknown_names(catalogue, where, "task", [task]),
        *_name_faults(catalogue, where, supernet, source),
    ]
    yield from unknown
    if unknown:
        return
    spaces = catalogue.config["tasks"][task]["space"], catalogue.config["supernets"][supernet]["space"]
    if spaces[0] != spaces[1]:
        yield f"{where}: task {task!r} trains the space {spaces[0]}, {supernet!r} is of {spaces[1]}"
    try:
        catalogue.seeds(supernet, source)
    except InputError as error:
        yield f"{where}: {error}"


def _name_faults(catalogue: Catalogue, where: str, supernet: str, source: str) -> Iterator[str]:
    yield from _unknown_names(catalogue, where, "supernet", [supernet])
    known = [*catalogue.config["sources"], *catalogue.config["scores"]]
    if source not in known:
        yield _unknown(where, "source", source, known)


def _unknown_names(catalogue: Catalogue, where: str, kind: str, names: Iterable[str]) -> Iterator[str]:
    known = catalogue.config[f"{kind}s"]
    return (_unknown(where, kind.replace("_", " "), name, known) for name in names if name not in known)


def _unknown(where: str, kind: str, name: str, known: Iterable[str]) -> str:
    known = list(known)
    return f"{where}: unknown {kind} {name!r}; known: {', '.join(known)}{nearest(name, known)}"
