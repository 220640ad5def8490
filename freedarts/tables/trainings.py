"""The table of trainings: errors, size, speed."""

import statistics
from collections import defaultdict
from dataclasses import dataclass

from freedarts.tables import Column, Sample, Table, decimals, formats, rows, sample_text

NOTE = """\
Test errors in percent, mean ± standard deviation over n trainings of one genotype. `best epoch` is chosen on the test
set and shown for comparison only. The tasks `digits` and `digits-nasbench201` are 1,437 small images of handwritten
digits to train and 360 to test on, with networks of width 4: they check that the machinery trains, and say nothing
about the paper's numbers."""


@dataclass(frozen=True)
class Trainings:
    """All runs of one genotype on one task. runs: metrics of each."""

    task: str
    supernet: str
    source: str
    seed: int
    runs: list[dict]

    def sample(self, key: str) -> Sample:
        return Sample(tuple(run[key] for run in self.runs))


COLUMNS = (
    Column("task", lambda found: found.task),
    Column("supernet", lambda found: found.supernet),
    Column("source", lambda found: found.source),
    Column("seed", lambda found: str(found.seed)),
    Column("n", lambda found: len(found.runs), str),
    Column("error, last epoch", lambda found: found.sample("error_last"), sample_text(2)),
    Column("best epoch", lambda found: found.sample("error_best"), sample_text(2)),
    Column("epochs", lambda found: found.runs[0]["epochs"], str),
    Column("parameters", lambda found: found.runs[0]["parameters"], "{:,}".format),
    Column("images/s", lambda found: statistics.median(found.sample("images_per_second").values), decimals(0)),
    Column("hours", lambda found: sum(found.sample("hours").values), decimals(3)),
    Column("device", lambda found: found.runs[0]["device"]),
)

NAMES = ("task", "supernet", "source", "seed")
PARTS = (
    (*NAMES, "n", "error, last epoch"),
    (*NAMES, "best epoch", "epochs", "hours"),
    (*NAMES, "parameters", "images/s"),
    (*NAMES, "device"),
)


def training_table(trainings: dict[tuple, dict]) -> Table:
    """trainings: (task, supernet, source, seed, run) -> metrics."""
    runs: dict[tuple, list[dict]] = defaultdict(list)
    for (*case, _), metrics in trainings.items():
        runs[tuple(case)].append(metrics)
    found = [Trainings(*case, metrics) for case, metrics in runs.items()]
    return Table("retraining", "Retraining", NOTE, rows(COLUMNS, found), formats(COLUMNS), PARTS)
