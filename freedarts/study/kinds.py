"""The kinds of results that the tables are made of, one entry each: docs/developing.md says what a new one takes.

What the rule `tables` needs, what the manifest, verify and repair look after, what the status counts and docs/files.md
lists comes from here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from freedarts.study import paths, replays, run_folder

if TYPE_CHECKING:
    from freedarts.study.catalogue import Catalogue

BENCHMARKS = "results/benchmarks/"  # Snakemake's measurements, by the folder of what they measured
WITH_SLASH = {"number": "[^/]+/[^/]+"}  # wildcards whose values hold one


@dataclass(frozen=True)
class Kind:
    """title: of its files, in the plural. path: pattern with Snakemake's wildcards. rules: which write it. selected:
    what a configuration needs: values of the wildcards, in their order; a list stands for each of its values."""

    name: str
    title: str
    path: str
    rules: tuple[str, ...]
    selected: Callable[[Catalogue], list]
    keys: tuple[str, ...] = ()  # that each file has; `seeds` holds results by seed
    beside: tuple[str, ...] = ()  # files that the same job writes into the same folder
    measured: bool = False  # whether Snakemake measures the job

    @cached_property
    def wildcards(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @cached_property
    def pattern(self) -> re.Pattern:
        """Of paths, with a group for each wildcard."""
        parts = re.split(r"{(\w+)}", self.path)
        text = [
            f"(?P<{part}>{WITH_SLASH.get(part, '[^/]+')})" if place % 2 else re.escape(part)
            for place, part in enumerate(parts)
        ]
        return re.compile("".join(text))

    def file(self, case: tuple) -> str:
        """case: a value for each wildcard."""
        return self.path.format(**dict(zip(self.wildcards, case, strict=True)))

    def files(self, selected: Iterable) -> Iterator[str]:
        return map(self.file, cases(selected))

    def companions(self, file: str) -> Iterator[str]:
        """What is written with *file*: beside it, and what Snakemake measured."""
        yield from (str(Path(file).with_name(name)) for name in self.beside)
        if self.measured:
            yield f"{BENCHMARKS}{Path(file).parent.relative_to('results')}.tsv"

    def log(self, file: str) -> str:
        """What the job that wrote *file* said; that of all seeds of a source stands without the seed."""
        job = file.removesuffix(".json") if "{" in Path(self.path).name else str(Path(file).parent)
        return f"logs/{job.removeprefix('results/')}.log"


def cases(selected: Iterable) -> Iterator[tuple]:
    """What Kind.selected gives, with a value for each wildcard: lists are taken apart."""
    for case in selected:
        yield from product(*(value if isinstance(value, list) else [value] for value in case))


SEARCH = Kind(
    "searches",
    "Searches",
    paths.SEARCH,
    ("search",),
    lambda catalogue: [*catalogue.searches(), *catalogue.number_searches()],
    keys=("space", "proxy", "objective", "audit", "seconds", "peak_memory_mb"),
    measured=True,
)
GENOTYPE = Kind(
    "genotypes",
    "Genotypes",
    paths.GENOTYPE,
    ("derive", "publish", "sample"),
    lambda catalogue: [*catalogue.searches(), *catalogue.number_searches(), *catalogue.sources()],
    keys=("space",),
)
COST = Kind("costs", "Costs", paths.COST, ("cost",), lambda catalogue: catalogue.costs(), keys=("seeds",))
LOOKUP = Kind(
    "lookups",
    "Look-ups in NAS-Bench-201",
    paths.LOOKUP,
    ("lookup_nasbench201",),
    lambda catalogue: catalogue.lookups(),
    keys=("version", "distribution", "seeds"),
)
ARCHITECTURE_SCORES = Kind(
    "architecture_scores",
    "Scores of whole architectures",
    paths.ARCHITECTURE_SCORES,
    ("score_architectures",),
    lambda catalogue: catalogue.correlations(),
    keys=("architectures", "scores"),
)
CORRELATION = Kind(
    "correlations",
    "Rank correlations",
    paths.CORRELATION,
    ("correlate",),
    lambda catalogue: catalogue.correlations(),
    keys=("version", "accuracies"),
)
RANKING = Kind(
    "rankings",
    "Rank correlations of searches",
    paths.RANKING,
    ("correlate_search",),
    lambda catalogue: catalogue.rankings(),
    keys=("version", "architectures", "seeds"),
)
TRAINING = Kind(
    "trainings",
    "Trainings",
    paths.METRICS,
    ("retrain",),
    lambda catalogue: catalogue.trainings(),
    keys=(
        "error_last",
        "error_best",
        "top5_error_last",
        "epochs",
        "parameters",
        "images_per_second",
        "hours",
        "device",
    ),
    beside=run_folder.FILES,
    measured=True,
)
REPLAY_RUN = Kind(
    "replay_runs",
    "Runs of replays",
    paths.REPLAY_RUN,
    ("replay",),
    lambda catalogue: [(log, replays.runs(catalogue.replay(log))) for log in catalogue.config["replays"]],
    keys=("log", "run", "training_seed", *replays.MEASURES, "device", "versions"),
    measured=True,
)
REPLAY = Kind(
    "replays",
    "Replays of the release's logs",
    paths.REPLAY,
    ("follow",),
    lambda catalogue: [(log,) for log in catalogue.config["replays"]],
    keys=("log", "numbers", "first", "first_equal", "rows", "curves", "followed_to", "verdict"),
)
READING = Kind(
    "readings",
    "Readings of the paper's numbers",
    paths.READING,
    ("reading",),
    lambda catalogue: catalogue.number_readings(),
    keys=("n", "values", "mean", "std", "tolerance", "version", "verdict", "missing"),
)
NUMBER = Kind(
    "numbers",
    "Numbers of the paper",
    paths.NUMBER,
    ("number",),
    lambda catalogue: [(number,) for number in catalogue.judged_numbers()],
    keys=("id", "value", "verdict", "genotype", "readings"),
)

KINDS = (
    SEARCH,
    GENOTYPE,
    COST,
    LOOKUP,
    ARCHITECTURE_SCORES,
    CORRELATION,
    RANKING,
    TRAINING,
    REPLAY_RUN,
    REPLAY,
    READING,
    NUMBER,
)


def selection(catalogue: Catalogue) -> dict[str, list]:
    """By the name of the kind, what Kind.selected gives."""
    return {kind.name: kind.selected(catalogue) for kind in KINDS}


def files(selection: dict[str, list]) -> Iterator[str]:
    """The paths of all results of a selection, without their companions; each once."""
    return iter(dict.fromkeys(file for kind in KINDS for file in kind.files(selection[kind.name])))


def of(file: str) -> Kind | None:
    """The kind of a result by its path."""
    return next((kind for kind in KINDS if kind.pattern.fullmatch(file)), None)
