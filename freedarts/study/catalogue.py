"""The configuration as a catalogue of named entries, and what a selection of them asks for.

Pure functions of the configuration: everything is checked here before any job starts, and every job's own part of the
configuration comes from here as one JSON text with sorted keys, so that nothing else can re-run it.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

from freedarts import plugins, scores, spaces, tasks
from freedarts.files import InputError, exists
from freedarts.nasbench201 import DOWNLOAD, SPACE
from freedarts.study import checks, kinds, paper, replays, settings
from freedarts.study.paths import GENOTYPE, LOOKUP, READING, REPLAY_RUN, SEARCH, metrics_path
from freedarts.tasks import folders

OWN_SAMPLE = {"architectures": 100, "seeds": 1}  # of an architecture score of the user's own that no entry names


class Catalogue:
    """config: the merged configuration; base: the folder of the workflow, with config/schema.yaml and resources/; data:
    where the data sets are.

    Raises InputError with all faults in one message.
    """

    def __init__(self, config: dict, base: Path, data: Path = Path("data")):
        self.data, self.config = data, settings.expanded(config)
        self.resources, schema = base / "resources", base / "config" / "schema.yaml"
        self.numbers = {number["id"]: number for number in paper.read(self.resources / "numbers.yaml", schema)}
        self.logs = replays.read(self.resources / "replays.yaml", schema)
        self.listings: dict[str, folders.Listing] = {}
        self.datasets = dict(tasks.DATASETS)
        faults = settings.faults(config, schema) or list(self._dataset_faults()) or list(checks.faults(self))
        if faults:
            raise InputError("the configuration is not valid\n" + "\n".join(f"  {fault}" for fault in faults))

    @property
    def own(self) -> str:
        """Where the tables of this configuration lie, and all that is made of its selection."""
        return f"results/{self.config['name']}/" if "name" in self.config else "results/"

    def _dataset_faults(self) -> Iterator[str]:
        """Lists the image folders, because all else depends on what they hold."""
        for name, entry in self.config["datasets"].items():
            if name in tasks.DATASETS:
                yield f"datasets.{name}: a built-in data set has this name"
                continue
            try:
                self.listings[name] = folders.listing(**entry)
            except InputError as error:
                yield f"datasets.{name}: {error}"
                continue
            self.datasets[name] = self.listings[name].facts(entry["image_size"])

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
        asked = (entry["seeds"] for entry in selected)
        return sorted({seed for seeds in asked for seed in (range(seeds) if isinstance(seeds, int) else seeds)})

    def _missing_folder(self, supernet: str, score: str, entries: list[dict]) -> Path | None:
        """The folder of images without which *entries*, which select a search, leave it out."""
        dataset = self.batch(supernet, score)["dataset"]
        folder = self.data / dataset if dataset in tasks.IN_DATA else None
        return folder if folder and not exists(folder) and all(entry.get("optional") for entry in entries) else None

    def resource(self, supernet: str, source: str, seed: int) -> Path:
        """The file with a published genotype. InputError if there is none."""
        if seed not in (seeds := self.seeds(supernet, source)):
            raise InputError(f"no seed {seed} of {source!r} on {supernet!r}; there are: {seeds}")
        if self.kind(source) != checks.PUBLISHED:
            raise InputError(f"source {source!r} is not published but {self.kind(source)}")
        return self.published_file(supernet, source, seed)

    def kind(self, source: str) -> str:
        return self.config["sources"][source].get("kind", checks.PUBLISHED)

    def published_file(self, supernet: str, source: str, seed: int) -> Path:
        return self.resources / "genotypes" / source / supernet / f"seed{seed}.json"

    def score(self, supernet: str, name: str) -> dict:
        """The settings of a score on a supernet. Its options are laid over each other one by one, unless another proxy
        takes them."""
        score = self.config["scores"][name]
        settings, override = score["settings"], score.get("overrides", {}).get(supernet, {})
        merged = {**settings, **override}
        if "options" in override and "proxy" not in override:
            merged["options"] = {**settings.get("options", {}), **override["options"]}
        return merged

    def batch(self, supernet: str, score: str) -> dict:
        """The dataset and batch_size of the images that a score takes; None and 1 if it takes none."""
        return {"dataset": None, "batch_size": 1, **self.score(supernet, score).get("data", {})}

    def search_memory(self, supernet: str, score: str) -> int:
        """MB. Measured, audit included (benchmarks/results): 1,000, and at most 125 an image for second derivatives, 66
        for first ones, both on the MobileNet supernet."""
        images = self.batch(supernet, score)["batch_size"]
        return 2000 + scores.signature(self.score(supernet, score)["proxy"]).megabytes * images

    def search_settings(self, supernet: str, score: str) -> str:
        """InputError if the score's data do not fit the supernet."""
        options, settings = self.config["supernets"][supernet], self.score(supernet, score)
        try:
            checked = scores.from_settings(settings, self.datasets)
            checked.check_supernet(**options, datasets=self.datasets)
            if checked.released:
                spaces.check_released(options["space"])
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

    def cost_settings(self, task: str) -> str:
        return self.task_settings(task, ("space", "network"))

    def training_settings(self, task: str) -> str:
        draw = ["draw"] if "draw" in self.config["tasks"][task] else []
        return self.task_settings(task, ("space", "dataset", "network", "protocol", *draw))

    @property
    def replayable(self) -> list[str]:
        """The logs of the release that can be replayed."""
        return [name for name, log in self.logs.items() if "rows" in log]

    def replay(self, log: str) -> dict:
        """steps, runs and gpus of the replay of a log, selected or not."""
        return {"steps": 1, "runs": 3, "gpus": 0, **self.config["replays"].get(log, {})}

    def log_dataset(self, log: str) -> str:
        return self.config["tasks"][self.logs[log]["task"]]["dataset"]

    def replay_steps(self, log: str, run: str) -> int:
        return replays.steps(self.replay(log), run)

    def replay_gpus(self, log: str, run: str) -> int:
        """The first step alone takes seconds, on the CPU."""
        return 0 if run in replays.FIRST else self.replay(log)["gpus"]

    def replays_on_gpu(self) -> list[tuple[str, str, float]]:
        """(path, task, epochs) of the selected runs of replays that take their steps on a GPU."""
        found = []
        for log in self.config["replays"]:
            task = self.config["tasks"][self.logs[log]["task"]]
            images = self.replay(log)["steps"] * task["protocol"]["batch_size"]
            epochs = images / self.datasets[task["dataset"]].train_images
            runs = (run for run in replays.runs(self.replay(log)) if self.replay_gpus(log, run))
            found += [(REPLAY_RUN.format(log=log, run=run), self.logs[log]["task"], epochs) for run in runs]
        return found

    def replay_settings(self, log: str) -> str:
        entry = self.logs[log]
        task = json.loads(self.training_settings(entry["task"]))
        task.pop("draw", None)  # it is the release's
        return _json({**task, "training_seed": entry["training_seed"]})

    def replay_runs(self, log: str) -> list[str]:
        return [REPLAY_RUN.format(log=log, run=run) for run in replays.runs(self.replay(log))]

    def follow_settings(self, log: str) -> str:
        return _json({key: self.replay(log)[key] for key in ("steps", "runs")})

    def images(self, dataset: str) -> int:
        """How many there are of a data set."""
        facts = self.datasets[dataset]
        return facts.train_images + facts.test_images

    def architecture_dataset(self, score: str) -> str | None:
        """The data set that a score of whole architectures takes a batch of."""
        return self.config["architecture_scores"][score].get("data", {}).get("dataset")

    def architecture_code(self, score: str) -> tuple[str, ...]:
        """The modules that a score of whole architectures takes besides, if it is a file of the user."""
        proxy = self.config["architecture_scores"][score]["proxy"]
        return ("architectures.gates", f"scores.{proxy}") if plugins.is_own(proxy) else ()

    def training_memory(self, task: str) -> int:
        """MB that a training asks for; each of the processes that read an image folder has two batches ready."""
        options = self.config["tasks"][task]
        gpus, facts = options.get("gpus", 0), self.datasets.get(options.get("dataset"))
        if facts is None or facts.held:
            return 4000 * gpus + (0 if gpus else 2000) + 2 * (facts.megabytes if facts else 0)
        image = 3 * options["network"]["image_size"] ** 2 * 4
        return 6000 * max(1, gpus) + 16 * options["protocol"]["batch_size"] * image // 10**6

    def readings_settings(self, *names: str) -> str:
        """What checks a number of the paper: the readings of these names, or all."""
        readings = self.config["readings"]
        return _json({"readings": {name: readings[name] for name in names or readings}})

    @property
    def _selected_readings(self) -> dict[str, list[str]]:
        """By the number."""
        return paper.chosen(self.config["numbers"], self.numbers, self.config["readings"])

    def table_settings(self) -> str:
        """The results that the tables are made of, by their kind, and what is shown of them."""
        return _json(
            {
                "name": self.config.get("name"),
                "results": kinds.selection(self),
                "searches": self.searches(),
                "left_out": self.left_out(),
                "sources": self.sources(),
                "readings": self.config["readings"],
                "tasks": {name: {"trainable": "protocol" in task} for name, task in self.config["tasks"].items()},
            }
        )

    def plan_settings(self) -> str:
        """What is trained and replayed, on which data, and how long each task trains, on what."""
        found = {"tasks": self._trained_tasks(), "trainings": self.trainings(), "data": self._data_sets()}
        found |= {"replays": self.replays_on_gpu(), "readings": self.config["readings"], "plan": self.config["plan"]}
        return _json(found)

    def _trained_tasks(self) -> dict[str, dict]:
        trained = {name: task for name, task in self.config["tasks"].items() if "protocol" in task}
        return {
            name: {
                "epochs": task["protocol"]["epochs"],
                "gpus": task.get("gpus", 0),
                "dataset": task["dataset"],
                "images": self.datasets[task["dataset"]].train_images,
            }
            for name, task in trained.items()
        }

    def _data_sets(self) -> list[str]:
        """What the selection needs in data/."""
        searches = [*self.searches(), *self.number_searches()]
        names = {self.config["tasks"][task]["dataset"] for task, *_ in self.trainings()}
        names |= {self.batch(supernet, score)["dataset"] for supernet, score, _ in searches}
        names |= {self.architecture_dataset(score) for score, *_ in self.correlations()}
        names |= {self.log_dataset(log) for log in self.config["replays"]}
        benchmark = ["nasbench201"] if self.config["nasbench201"]["file"] == "download" else []
        return sorted(names & {*tasks.IN_DATA}) + benchmark

    def status_settings(self) -> str:
        """What the status is of."""
        found = {"results": kinds.selection(self), "searches": self.searches(), "trainings": self.trainings()}
        return _json({**found, "readings": self.config["readings"], "tasks": self._trained_tasks()})

    def sources(self) -> list[tuple[str, str, list[int]]]:
        """(supernet, source, seeds) of every source that is not searched here, but for those that are matched to a
        search that is not selected."""
        available, shown = [], self._shown_supernets()
        for name, entry in self.config["sources"].items():
            for supernet in filter(shown.__contains__, entry["supernets"]):
                with suppress(InputError):
                    available.append((supernet, name, self.seeds(supernet, name)))
        return available

    def _shown_supernets(self) -> set[str]:
        """All; under a name, those of the selection."""
        if "name" not in self.config:
            return set(self.config["supernets"])
        lists = [n for entry in (*self.config["search"], *self.config["costs"]) for n in entry["supernets"]]
        return {*lists, *(entry["supernet"] for entry in self.config["retrain"])}

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

    def number_searches(self) -> list[tuple[str, str, list[int]]]:
        """(supernet, score, seeds) of the searches that the selected numbers are compared with."""
        return paper.searches((self.numbers[name] for name in self.judged_numbers()), self.config["readings"])

    def number_readings(self) -> list[tuple[str, list[str]]]:
        """(number, readings) of the selected numbers."""
        return list(self._selected_readings.items())

    def judged_numbers(self) -> list[str]:
        """The selected numbers on which there will be a verdict."""
        return [number for number, readings in self._selected_readings.items() if paper.JUDGED in readings]

    def _possible(self, number: str) -> dict:
        """The entry of a number whose trainings or look-up there can be. InputError that says why not."""
        for fault in checks.number_faults(self, number):
            raise InputError(fault)
        return self.numbers[number]

    def reading_results(self, number: str, reading: str) -> list[str]:
        """The trainings, or the look-up, of a reading of a number. InputError if there can be none."""
        entry = self._possible(number)
        cases = paper.reading_cases(entry, self.config["readings"], reading)
        return [LOOKUP.format(**entry["reproduced_by"])] if paper.is_lookup(entry) else [*map(metrics_path, cases)]

    def evidence(self, number: str) -> list[str]:
        """The reading of a number that is judged, and the searches and genotypes that say whether its genotypes are
        found again. InputError as above."""
        entry, readings = self._possible(number), self.config["readings"]
        (supernet, score), reproduced_by = paper.searched(entry, readings), entry["reproduced_by"]
        at = [{"supernet": supernet, "seed": seed} for seed in reproduced_by["seeds"]]
        return [
            READING.format(number=number, reading=paper.JUDGED),
            *(SEARCH.format(score=score, **each) for each in at),
            *(GENOTYPE.format(source=s, **each) for s in (score, reproduced_by["source"]) for each in at),
        ]

    def left_out(self) -> list[tuple[str, str, str]]:
        """(supernet, score, missing folder) of the optional searches whose images are not there."""
        missing = [(*pair, self._missing_folder(*pair, entries)) for pair, entries in self._selected().items()]
        return [(supernet, score, str(folder)) for supernet, score, folder in missing if folder]

    def _selected(self) -> dict[tuple[str, str], list[dict]]:
        """The entries that select each search."""
        entries: dict[tuple[str, str], list[dict]] = {}
        for entry in self.config["search"]:
            for pair in product(entry["supernets"], entry["scores"]):
                entries.setdefault(pair, []).append(entry)
        return entries

    def benchmark_file(self) -> str:
        """The NAS-Bench-201 file or folder to convert. InputError if the configuration has none."""
        file = self.config["nasbench201"]["file"]
        if file is None:
            raise InputError(checks.NO_FILE)
        return DOWNLOAD if file == "download" else file

    @property
    def has_benchmark(self) -> bool:
        """Whether there is, or will be, a NAS-Bench-201 file, in place of the accuracies in the package."""
        return self.config["nasbench201"]["file"] is not None

    def lookups(self) -> list[tuple[str, str]]:
        """(supernet, source) of all NAS-Bench-201 genotypes."""
        return [(supernet, source) for supernet, source, _ in self.on_nasbench201([*self.searches(), *self.sources()])]

    def rankings(self) -> list[tuple[str, str]]:
        """(supernet, score) of all searches on NAS-Bench-201."""
        return [(supernet, score) for supernet, score, _ in self.on_nasbench201(self.searches())]

    def on_nasbench201(self, cases: list[tuple[str, str, list[int]]]) -> list[tuple[str, str, list[int]]]:
        """Of searches or sources those on supernets of this space."""
        return [case for case in cases if self.config["supernets"][case[0]]["space"] == SPACE]

    def correlations(self) -> list[tuple[str, int, int]]:
        """(architecture score, architectures, seed) of every selected sample, each once; where any is selected, of the
        user's own scores that no entry names too."""
        if entries := list(self.config["correlation"]):
            named = {name for entry in entries for name in entry["scores"]}
            own = [name for name, s in self.config["architecture_scores"].items() if plugins.is_own(s["proxy"])]
            entries.append({"scores": [name for name in own if name not in named], **OWN_SAMPLE})
        cases = {
            (name, entry["architectures"], seed): None
            for entry in entries
            for name in entry["scores"]
            for seed in range(entry["seeds"])
        }
        return list(cases)

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
        of_numbers = [
            case
            for name, its in self._selected_readings.items()
            for reading in its
            for case in paper.cases(self.numbers[name], readings)[reading]
            if not paper.is_lookup(self.numbers[name])
        ]
        cases = {
            (entry["task"], entry["supernet"], entry["source"], seed, run): None
            for entry in self.config["retrain"]
            for seed in entry.get("seeds") or self.seeds(entry["supernet"], entry["source"])
            for run in range(entry["runs"])
        }
        return list(dict.fromkeys([*of_numbers, *cases]))


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
