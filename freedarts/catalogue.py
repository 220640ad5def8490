"""The configuration as a catalogue of named entries, and what a selection of them asks for.

Pure functions of the configuration: everything is checked here before any job starts, and every job's own part of the
configuration comes from here as one JSON text with sorted keys, so that nothing else can re-run it.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

from freedarts import images, numbers, scores, settings, tasks
from freedarts.files import InputError
from freedarts.nasbench201 import DOWNLOAD, TABLE
from freedarts.paths import ARCHITECTURE_SCORES, CORRELATION, GENOTYPE

PUBLISHED = "published"  # the kind of a source that does not say
NO_FILE = "nasbench201.file: null; allowed: path of a NAS-Bench-201 file, or `download` (4.7 GB)"


class Catalogue:
    """config: the merged configuration; resources: the folder with the published genotypes.

    Raises InputError with all faults in one message.
    """

    def __init__(self, config: dict, resources: Path):
        self.config, self.resources = config, resources
        self.numbers = {number["id"]: number for number in numbers.read(resources / "numbers.yaml")}
        faults = settings.faults(config) or list(self._dataset_faults()) or list(self._faults())
        if faults:
            raise InputError("the configuration is not valid\n" + "\n".join(f"  {fault}" for fault in faults))

    def _dataset_faults(self) -> Iterator[str]:
        """Lists the image folders and registers what they hold, because all else depends on it."""
        self.listings: dict[str, images.Listing] = {}
        for name, entry in self.config["datasets"].items():
            if name in tasks.BUILT_IN:
                yield f"datasets.{name}: a built-in data set has this name"
                continue
            try:
                self.listings[name] = images.listing(**entry)
            except InputError as error:
                yield f"datasets.{name}: {error}"
        sizes = {name: self.config["datasets"][name]["image_size"] for name in self.listings}
        tasks.register({name: found.facts(sizes[name]) for name, found in self.listings.items()})

    def _faults(self) -> Iterator[str]:
        """Combinations that no schema can rule out."""
        config = self.config
        checks = (
            ("supernet", settings.supernet_faults),
            ("task", settings.task_faults),
            ("architecture_score", settings.architecture_score_faults),
        )
        for kind, check in checks:
            for name, entry in config[f"{kind}s"].items():
                yield from (f"{kind}s.{name}.{fault}" for fault in check(entry))
        for name in set(config["scores"]) & set(config["sources"]):
            yield f"sources.{name}: a score has this name"
        for name, source in config["sources"].items():
            unknown = list(self._unknown_names(f"sources.{name}", "supernet", source["supernets"]))
            yield from unknown or self._source_faults(f"sources.{name}", name, source)
        file = config["nasbench201"]["file"]
        # Once converted the file is needed no more. Snakemake itself takes a missing one for "nothing to be done" where
        # there are older tables.
        if file not in (None, "download") and not Path(file).exists() and not Path(TABLE).exists():
            yield f"nasbench201.file: no file or folder {file!r}; allowed: a path, `download` (4.7 GB), null"
        for name, score in config["scores"].items():
            yield from self._unknown_names(f"scores.{name}.overrides", "supernet", score.get("overrides", {}))
        broken = []
        for name, score in config["scores"].items():
            for proxy in {
                s["proxy"] for s in (score["settings"], *score.get("overrides", {}).values()) if "proxy" in s
            }:
                try:
                    scores.signature(proxy)
                except InputError as error:
                    broken.append(name)
                    yield f"scores.{name}: {error}"
        for supernet in config["supernets"]:
            for name in (name for name in config["scores"] if name not in broken):
                try:
                    scores.from_settings(self.score(supernet, name))
                except InputError as error:
                    yield f"scores.{name} on {supernet}: {error}"
        for index, entry in enumerate(config["search"]):
            where = f"search[{index}]"
            unknown = [
                *self._unknown_names(where, "supernet", entry["supernets"]),
                *self._unknown_names(where, "score", entry["scores"]),
            ]
            yield from unknown
            for supernet, name in () if unknown else product(entry["supernets"], entry["scores"]):
                try:
                    self.search_settings(supernet, name)
                except InputError as error:
                    yield f"{where}: {error}"
        for index, entry in enumerate(config["costs"]):
            for case in product(entry["tasks"], entry["supernets"], entry["sources"]):
                yield from self._combination_faults(f"costs[{index}]", *case)
        for index, entry in enumerate(config["retrain"]):
            yield from self._training_faults(f"retrain[{index}]", entry)
        for name, reading in config["readings"].items():
            searched = name == "searched"
            known = [*config["scores"], *([] if searched else config["sources"])]
            if "source" in reading and reading["source"] not in known:
                yield _unknown(f"readings.{name}", "score" if searched else "source", reading["source"], known)
        for name in config["numbers"]:
            if name not in self.numbers:
                yield _unknown("numbers", "number", name, self.numbers)
                continue
            yield from self.number_faults(name)
        looked_up = [n for n in config["numbers"] if n in self.numbers and numbers.is_lookup(self.numbers[n])]
        if looked_up and file is None:
            yield f"numbers: {len(looked_up)} to look up, {looked_up[0]} first: {NO_FILE}"
        for index, entry in enumerate(config["correlation"]):
            yield from self._unknown_names(f"correlation[{index}]", "architecture_score", entry["scores"])

    def _source_faults(self, where: str, name: str, source: dict) -> Iterator[str]:
        kind, match = source.get("kind", PUBLISHED), source.get("match")
        if kind == PUBLISHED:
            paths = (self._resource(n, name, seed) for n, seed in product(source["supernets"], source["seeds"]))
            yield from (f"{where}: no file {path}" for path in paths if not path.exists())
        if kind == "largest" and len(source["seeds"]) > 1:
            yield f"{where}.seeds: {source['seeds']}, but the largest architecture is one; allowed: a single seed"
        if match is None:
            return
        others = [n for n, other in self.config["sources"].items() if other.get("kind") != "random-matched"]
        if kind != "random-matched":
            yield f"{where}.match: {match!r} with kind {kind}; allowed with random-matched alone"
        elif match not in (known := [*self.config["scores"], *others]):
            allowed = f"a score, or a source of another kind: {', '.join(known)}"
            yield f"{where}.match: {match!r}; allowed: {allowed}"
        elif match in others:
            for supernet in source["supernets"]:
                try:
                    self.seeds(supernet, match)
                except InputError as error:
                    yield f"{where}.match: {error}"

    def _unknown_names(self, where: str, kind: str, names: Iterable[str]) -> Iterator[str]:
        known = self.config[f"{kind}s"]
        return (_unknown(where, kind.replace("_", " "), name, known) for name in names if name not in known)

    def number_faults(self, name: str) -> Iterator[str]:
        """Why the trainings or the look-up that would reproduce a figure cannot be, a line each."""
        figure, where = self.numbers[name], f"numbers: {name}"
        wanted = figure["reproduced_by"]
        if numbers.is_lookup(figure):
            yield from self._lookup_faults(where, wanted)
            return
        yield from self._training_faults(where, wanted)
        found = self.config["tasks"].get(wanted["task"], {}).get("dataset")
        if found and found != (dataset := figure["dataset"].replace("-", "").lower()):
            yield f"{where}: is of {dataset}, but the task {wanted['task']!r} of {found}"

    def _lookup_faults(self, where: str, wanted: dict) -> Iterator[str]:
        supernet, score = wanted["supernet"], wanted["score"]
        faults = [*self._name_faults(where, supernet, wanted["source"]), *self._unknown_names(where, "score", [score])]
        try:
            if not faults:
                faults += self._seed_faults(where, wanted)
                self.search_settings(supernet, score)
        except InputError as error:
            faults.append(f"{where}: {error}")
        yield from faults

    def _training_faults(self, where: str, entry: dict) -> Iterator[str]:
        """entry: task, supernet, source and, where not all are trained, seeds."""
        faults = list(self._combination_faults(where, entry["task"], entry["supernet"], entry["source"]))
        yield from faults
        if faults:
            return
        if "protocol" not in self.config["tasks"][entry["task"]]:
            yield f"{where}: task {entry['task']!r} has no protocol to train with"
        yield from self._seed_faults(where, entry)

    def _seed_faults(self, where: str, entry: dict) -> Iterator[str]:
        available = self.seeds(entry["supernet"], entry["source"])
        for seed in entry.get("seeds", []):
            if seed not in available:
                yield f"{where}: no seed {seed} of {entry['source']} on {entry['supernet']}; there are: {available}"

    def _name_faults(self, where: str, supernet: str, source: str) -> Iterator[str]:
        yield from self._unknown_names(where, "supernet", [supernet])
        known = [*self.config["sources"], *self.config["scores"]]
        if source not in known:
            yield _unknown(where, "source", source, known)

    def _combination_faults(self, where: str, task: str, supernet: str, source: str) -> Iterator[str]:
        faults = [*self._unknown_names(where, "task", [task]), *self._name_faults(where, supernet, source)]
        if not faults:
            spaces = self.config["tasks"][task]["space"], self.config["supernets"][supernet]["space"]
            if spaces[0] != spaces[1]:
                faults.append(f"{where}: task {task!r} trains the space {spaces[0]}, {supernet!r} is of {spaces[1]}")
            try:
                self.seeds(supernet, source)
            except InputError as error:
                faults.append(f"{where}: {error}")
        return iter(faults)

    def seeds(self, supernet: str, source: str) -> list[int]:
        """The search seeds for which *source* has, or will have, a genotype. InputError if it has none."""
        if source in self.config["sources"]:
            entry = self.config["sources"][source]
            if supernet in entry["supernets"]:
                if (match := entry.get("match")) in self.config["scores"]:
                    self.seeds(supernet, match)
                return sorted(entry["seeds"])
            raise InputError(
                f"source {source!r} has no genotypes of {supernet!r}, but of: {', '.join(entry['supernets'])}"
            )
        selected = [
            entry for entry in self.config["search"] if supernet in entry["supernets"] and source in entry["scores"]
        ]
        if not selected:
            raise InputError(f"score {source!r} on {supernet!r} is not selected under search")
        if folder := self._missing_folder(supernet, source, selected):
            raise InputError(f"score {source!r} on {supernet!r} is optional under search, and there is no {folder}")
        return list(range(max(entry["seeds"] for entry in selected)))

    def _missing_folder(self, supernet: str, score: str, entries: list[dict]) -> Path | None:
        """The folder of images without which *entries*, which select a search, leave it out."""
        dataset = self.score(supernet, score).get("data", {}).get("dataset")
        folder = Path("data", dataset) if dataset in tasks.IN_DATA else None
        return folder if folder and not folder.is_dir() and all(entry.get("optional") for entry in entries) else None

    def resource(self, supernet: str, source: str, seed: int) -> Path:
        """The file with a published genotype. InputError if there is none."""
        if seed not in (seeds := self.seeds(supernet, source)):
            raise InputError(f"no seed {seed} of {source!r} on {supernet!r}; there are: {seeds}")
        if self.kind(source) != PUBLISHED:
            raise InputError(f"source {source!r} is not published but {self.kind(source)}")
        return self._resource(supernet, source, seed)

    def kind(self, source: str) -> str:
        return self.config["sources"][source].get("kind", PUBLISHED)

    def _resource(self, supernet: str, source: str, seed: int) -> Path:
        return self.resources / "genotypes" / source / supernet / f"seed{seed}.json"

    def score(self, supernet: str, name: str) -> dict:
        """The settings of a score on a supernet."""
        score = self.config["scores"][name]
        return {**score["settings"], **score.get("overrides", {}).get(supernet, {})}

    def search_settings(self, supernet: str, score: str) -> str:
        """InputError if the score's data do not fit the supernet."""
        options, settings = self.config["supernets"][supernet], self.score(supernet, score)
        try:
            scores.from_settings(settings).check_supernet(**options)
        except InputError as error:
            raise InputError(f"{score} on {supernet}: {error}") from None
        return _json({"supernet": options, "score": settings})

    def dataset_settings(self, name: str) -> str:
        return _json(self.config["datasets"][name])

    def architecture_score_settings(self, name: str) -> str:
        return _json(self.config["architecture_scores"][name])

    def task_settings(self, task: str, keys: tuple[str, ...]) -> str:
        """The named keys of a task. InputError if it has no protocol and is asked for one."""
        if missing := [key for key in keys if key not in self.config["tasks"][task]]:
            raise InputError(f"task {task!r} cannot be trained: it has no {missing[0]}")
        return _json({key: self.config["tasks"][task][key] for key in keys})

    def readings_settings(self) -> str:
        """What checks a figure of the paper."""
        return _json({"readings": self.config["readings"]})

    @property
    def _figures(self) -> list[dict]:
        return [self.numbers[name] for name in self.config["numbers"]]

    def table_settings(self) -> str:
        """All that the tables show."""
        return _json(
            {
                "searches": self.searches(),
                "left_out": self.left_out(),
                "sources": self.sources(),
                "costs": self.costs(),
                "lookups": self.lookups(),
                "correlations": self.correlations(),
                "benchmark": self.config["nasbench201"]["file"] is not None,
                "trainings": self.trainings(),
                "numbers": self.config["numbers"],
                "number_searches": numbers.searches(self._figures, self.config["readings"]),
                "readings": self.config["readings"],
                "tasks": {name: {"trainable": "protocol" in task} for name, task in self.config["tasks"].items()},
            }
        )

    def plan_settings(self) -> str:
        """How long each task trains, and on what."""
        trained = {name: task for name, task in self.config["tasks"].items() if "protocol" in task}
        tasks = {name: {"epochs": t["protocol"]["epochs"], "gpus": t.get("gpus", 0)} for name, t in trained.items()}
        return _json({"tasks": tasks})

    def status_settings(self) -> str:
        """What the status is of."""
        found = {"searches": self.searches(), "trainings": self.trainings()}
        return _json({**found, "readings": self.config["readings"], **json.loads(self.plan_settings())})

    def sources(self) -> list[tuple[str, str, list[int]]]:
        """(supernet, source, seeds) of every source that is not searched here, but for those that are matched to a
        search that is not selected."""
        found = []
        for name, entry in self.config["sources"].items():
            for supernet in entry["supernets"]:
                with suppress(InputError):
                    found.append((supernet, name, self.seeds(supernet, name)))
        return found

    def matched(self, supernet: str, source: str) -> list[str]:
        """The genotypes whose operations *source* is drawn like; none unless it is random-matched."""
        match = self.config["sources"][source].get("match")
        seeds = self.seeds(supernet, match) if match else []
        return [GENOTYPE.format(supernet=supernet, source=match, seed=seed) for seed in seeds]

    def searches(self) -> list[tuple[str, str, list[int]]]:
        """(supernet, score, seeds) of every selected search, each once, but for those left out."""
        left_out = {(supernet, score) for supernet, score, _ in self.left_out()}
        pairs = [pair for pair in self._selected() if pair not in left_out]
        return [(supernet, score, self.seeds(supernet, score)) for supernet, score in pairs]

    def left_out(self) -> list[tuple[str, str, str]]:
        """(supernet, score, missing folder) of the optional searches whose images are not there."""
        missing = [(*pair, self._missing_folder(*pair, entries)) for pair, entries in self._selected().items()]
        return [(supernet, score, str(folder)) for supernet, score, folder in missing if folder]

    def _selected(self) -> dict[tuple[str, str], list[dict]]:
        """The entries that select each search."""
        found: dict[tuple[str, str], list[dict]] = {}
        for entry in self.config["search"]:
            for pair in product(entry["supernets"], entry["scores"]):
                found.setdefault(pair, []).append(entry)
        return found

    def benchmark_file(self) -> str:
        """The NAS-Bench-201 file or folder to convert. InputError if the configuration has none."""
        file = self.config["nasbench201"]["file"]
        if file is None:
            raise InputError(NO_FILE)
        return DOWNLOAD if file == "download" else file

    def lookups(self) -> list[tuple[str, str]]:
        """(supernet, source) of all NAS-Bench-201 genotypes; none without a benchmark file to look them up in."""
        if self.config["nasbench201"]["file"] is None:
            return []
        selected = [*self.searches(), *self.sources()]
        return [(n, source) for n, source, _ in selected if self.config["supernets"][n]["space"] == "nasbench201"]

    def correlations(self) -> list[tuple[str, int, int]]:
        """(architecture score, architectures, seed) of every selected sample, each once."""
        cases = {
            (name, entry["architectures"], seed): None
            for entry in self.config["correlation"]
            for name in entry["scores"]
            for seed in range(entry["seeds"])
        }
        return list(cases)

    def correlation_files(self) -> list[str]:
        """The selected scores of whole architectures; their correlations, where there is a benchmark file."""
        pattern = ARCHITECTURE_SCORES if self.config["nasbench201"]["file"] is None else CORRELATION
        return [pattern.format(score=name, architectures=n, seed=seed) for name, n, seed in self.correlations()]

    def costs(self) -> list[tuple[str, str, str]]:
        """(task, supernet, source) of every selected cost file, each once."""
        cases = {
            case: None
            for entry in self.config["costs"]
            for case in product(entry["tasks"], entry["supernets"], entry["sources"])
        }
        return list(cases)

    def trainings(self) -> list[tuple[str, str, str, int, int]]:
        """(task, supernet, source, seed, run) of every selected training, each once; first those of the numbers."""
        readings = self.config["readings"]
        wanted = [case for figure in self._figures for case in numbers.trainings(figure, readings)]
        cases = {
            (entry["task"], entry["supernet"], entry["source"], seed, run): None
            for entry in self.config["retrain"]
            for seed in entry.get("seeds") or self.seeds(entry["supernet"], entry["source"])
            for run in range(entry["runs"])
        }
        return list(dict.fromkeys([*wanted, *cases]))


def _unknown(where: str, kind: str, name: str, known) -> str:
    return f"{where}: unknown {kind} {name!r}; known: {', '.join(known)}"


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
