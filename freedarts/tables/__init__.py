"""The result tables, from dictionaries to Markdown and CSV. Knows no files and no torch."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import combinations

import pandas as pd

from freedarts import genotype, spaces
from freedarts.tables.summary import in_short

MISSING = "–"
INTRODUCTION = """# FreeDARTS, reproduced

Results of the searches, counts and trainings that the configuration selects, beside what the paper
(arXiv 2106.11542 v2) and its release print. FreeDARTS, FreeDARTS† and FreeDARTS‡ search on the supernets `darts-8`,
`darts-20` and `darts-imagenet`. This file is made by `snakemake results/tables.md`; `tables.csv` holds the same values
unrounded.
"""

SEARCH_NOTE = """\
n searches each, with the seeds 0 to n - 1. `objective` is the scalar whose gradient gives the scores, `printed` what
the release's notebook printed for that seed. It is the sum of the logits for SynFlow, the cross-entropy for SNIP and
for GraSP, which takes second derivatives. `verdict` is the audit's: the scores are computed a second time in a way
that exact arithmetic could not tell from the first (a float32 score in float64; a float64 score with every weight
times 1 + u·2⁻⁵⁰, u in {−1, 0, 1}); `sound` if they differ by at most 1 % of the largest score and select the same
genotype, else `noise`; `overflow` if a value left the range of the precision; `not run` where a folder of images is
not there (once it is, the next run includes the search). `largest score` is that of the first and of the second
computation, for seed 0; `largest difference` is the worst of the n, as a share of the largest score. The `shared`
columns count the (operation, input) entries, `of` so many, that two genotypes have in common, on average: with the
second computation, between two seeds, with the genotype that the paper published for the same proxy and seed (which has
the same random gates, so that more than chance needs no information in the score; for SNIP and GraSP it saw CIFAR-10),
and by chance between two uniformly random genotypes. `seconds` (scoring alone, one CPU thread) and `memory` (above what
the process held before) are medians."""

COSTS_NOTE = """\
Of the final network of each genotype, for one image, counted here and as published (in the release's cost notebooks
and logs; for sources that these do not cover, as its model code gives them). `parameters` leaves out the auxiliary
head. `flops` are the multiply-adds of convolutions and the linear layer; `macs` are by the release's own counters: on
the cell spaces batch norm and average pooling count too, on `mobilenet` the linear layer counts 2 · inputs − 1 per
output. The means over ten seeds cannot be computed again: only five of the ten genotypes are listed."""

RETRAINING_NOTE = """\
Test errors in percent, mean ± standard deviation over n trainings of one genotype. `best epoch` is chosen on the test
set and shown for comparison only. The tasks `digits` and `digits-nasbench201` are 1,437 small images of handwritten
digits to train and 360 to test on, with networks of width 4: they check that the machinery trains, and say nothing
about the paper's numbers."""


@dataclass(frozen=True)
class Table:
    """name: the key in the CSV. note: what the table shows. rows: raw values, None where there is none.
    formats: how a column's values are printed in the Markdown."""

    name: str
    title: str
    note: str
    rows: list[dict]
    formats: dict[str, Callable] = field(default_factory=dict)

    def printed(self) -> tuple[list[str], list[list[str]]]:
        """Columns, and the cells of each row as they are shown."""
        columns = list(dict.fromkeys(column for row in self.rows for column in row))
        cells = ([(self.formats.get(column, str), row.get(column)) for column in columns] for row in self.rows)
        return columns, [[MISSING if value is None else form(value) for form, value in row] for row in cells]

    def markdown(self) -> str:
        columns, cells = self.printed()
        frame = pd.DataFrame(cells, columns=columns)
        align = ["right" if column in self.formats else "left" for column in frame]
        text = (
            frame.to_markdown(index=False, disable_numparse=True, colalign=align) if self.rows else "Nothing selected."
        )
        return f"## {self.title}\n\n{text}\n\n{self.note}\n"


def markdown(tables: Iterable[Table]) -> str:
    tables = list(tables)
    return "\n".join([INTRODUCTION, in_short(tables), *(table.markdown() for table in tables)])


def csv(tables: Iterable[Table]) -> str:
    """One value a line: table, row (counted from 1 as in the Markdown), column, value, unrounded."""
    lines = [
        {"table": table.name, "row": number, "column": column, "value": value}
        for table in tables
        for number, row in enumerate(table.rows, 1)
        for column, value in row.items()
    ]
    return pd.DataFrame(lines, columns=["table", "row", "column", "value"]).to_csv(index=False)


@dataclass(frozen=True)
class Sample:
    """Repeated measurements of one quantity."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    def text(self, digits: int) -> str:
        """The mean, and ± the standard deviation where there are at least two values."""
        spread = f" ± {statistics.stdev(self.values):.{digits}f}" if len(self.values) > 1 else ""
        return f"{self.mean:.{digits}f}{spread}"

    def __str__(self) -> str:
        return " ".join(map(str, self.values))


def _decimals(digits: int) -> Callable[[float], str]:
    return lambda value: f"{value:,.{digits}f}"


def sample_text(digits: int) -> Callable[[Sample], str]:
    return lambda sample: sample.text(digits)


def search_table(
    searches: dict[tuple[str, str], dict[int, dict]],
    genotypes: dict[tuple[str, str], dict[int, object]],
    objectives: list[dict],
    left_out: Iterable[tuple[str, str, str]] = (),
) -> Table:
    """searches: (supernet, score) -> seed -> scores.json. genotypes: (supernet, source) -> seed -> genotype.
    left_out: (supernet, score, missing folder)."""
    printed = {(entry["supernet"], entry["score"]): entry for entry in objectives}
    rows = []
    for (supernet, score), results in searches.items():
        first = next(iter(results.values()))
        space = spaces.load(first["space"])
        derived = genotypes[supernet, score]
        example = next((found for found in derived.values() if not isinstance(found, genotype.Refused)), None)
        published = genotypes.get((supernet, f"published-{first['proxy']}"), {})
        audits = [result["audit"] for result in results.values()]
        verdicts = defaultdict(int)
        for audit in audits:
            verdicts[audit["verdict"]] += 1
        reference = printed.get((supernet, score))
        rows.append(
            {
                "supernet": supernet,
                "score": score,
                "n": len(results),
                "objective, seed 0": results[0]["objective"] if 0 in results else None,
                "printed": reference["objective"] if reference else None,
                "verdict": ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())),
                "largest score, seed 0": results[0]["audit"]["largest"] if 0 in results else None,
                "2nd computation": results[0]["audit"]["largest_second"] if 0 in results else None,
                "largest difference": max(
                    (a["difference"] for a in audits if a["difference"] is not None), default=None
                ),
                "shared, 2nd computation": _mean(sum(a["agreement"].values()) for a in audits if a["agreement"]),
                "shared, seeds": _agreements(combinations(derived.values(), 2)),
                "shared, published": _agreements(
                    (found, published[seed]) for seed, found in derived.items() if seed in published
                ),
                "shared, chance": sum(spaces.chance(space).values()),
                "of": example and sum(genotype.agreement(example, example).values()),
                "seconds": statistics.median(result["seconds"] for result in results.values()),
                "memory, MB": statistics.median(result["peak_memory_mb"] for result in results.values()),
            }
        )
    for supernet, score, folder in left_out:
        row = {"supernet": supernet, "score": score, "n": 0, "verdict": f"not run: no {folder}"}
        rows.append(dict.fromkeys(rows[0] if rows else row) | row)
    one = _decimals(1)
    return Table(
        "search",
        "Searches",
        SEARCH_NOTE,
        rows,
        {
            "n": str,
            "objective, seed 0": lambda value: f"{value:.6g}",
            "printed": str,
            "largest score, seed 0": lambda value: f"{value:.3g}",
            "2nd computation": lambda value: f"{value:.3g}",
            "largest difference": lambda value: f"{value:.1e}",
            "shared, 2nd computation": one,
            "shared, seeds": one,
            "shared, published": one,
            "shared, chance": one,
            "of": str,
            "seconds": _decimals(2),
            "memory, MB": _decimals(0),
        },
    )


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return statistics.fmean(values) if values else None


def _agreements(pairs: Iterable[tuple]) -> float | None:
    shared = (genotype.agreement(first, second) for first, second in pairs)
    return _mean(sum(counts.values()) for counts in shared if counts is not None)


FIGURES = ("parameters", "flops", "macs")


def cost_table(costs: dict[tuple[str, str, str], dict[int, dict | None]], published: dict) -> Table:
    """costs: (task, supernet, source) -> seed -> counts, None for a refused genotype. published: costs.yaml."""
    printed = {(e["task"], e["supernet"], e["source"], e["seed"]): e for e in published["genotypes"]}
    means = {(e["task"], e["supernet"], e["source"]): e for e in published["ten_seed_means"]}
    rows = []
    for (task, supernet, source), seeds in costs.items():
        where = {"task": task, "supernet": supernet, "source": source}
        for seed, ours in seeds.items():
            theirs = printed.get((task, supernet, source, seed), {})
            row = {**where, "seed": str(seed)}
            for figure in FIGURES:
                row |= {figure: ours and ours[figure], f"{figure}, published": theirs.get(figure)}
            row["with auxiliary head"] = ours and ours["parameters_with_auxiliary"]
            row["check"] = _check(ours, theirs)
            if rows and _same_but_seed(rows[-1], row):
                rows[-1]["seed"] += f", {seed}"
            else:
                rows.append(row)
        if (task, supernet, source) in means:
            row = {**where, "seed": "mean of 0 to 9"}
            for figure in FIGURES:
                mean = means[task, supernet, source][figure]
                row |= {figure: None, f"{figure}, published": round(mean * 1e6, 1)}
            rows.append({**row, "with auxiliary head": None, "check": "not recomputable"})
    count = "{:,}".format
    return Table(
        "costs",
        "Parameters and multiply-adds",
        COSTS_NOTE,
        rows,
        {column: count for figure in FIGURES for column in (figure, f"{figure}, published")}
        | {"with auxiliary head": count},
    )


def _same_but_seed(first: dict, second: dict) -> bool:
    return all(first[column] == second[column] for column in second if column != "seed")


def _check(ours: dict | None, theirs: dict) -> str | None:
    if ours is None:
        return "no genotype"
    differences = {figure: ours[figure] - theirs[figure] for figure in FIGURES if figure in theirs}
    if not differences:
        return None
    wrong = [f"{figure} {difference:+,}" for figure, difference in differences.items() if difference]
    return ", ".join(wrong) or "exact"


def training_table(trainings: dict[tuple, dict]) -> Table:
    """trainings: (task, supernet, source, seed, run) -> metrics."""
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for (*case, _), metrics in trainings.items():
        groups[tuple(case)].append(metrics)
    rows = []
    for (task, supernet, source, seed), runs in groups.items():
        rows.append(
            {
                "task": task,
                "supernet": supernet,
                "source": source,
                "seed": str(seed),
                "n": len(runs),
                "error, last epoch": Sample(tuple(run["error_last"] for run in runs)),
                "best epoch": Sample(tuple(run["error_best"] for run in runs)),
                "epochs": runs[0]["epochs"],
                "parameters": runs[0]["parameters"],
                "images/s": statistics.median(run["images_per_second"] for run in runs),
                "hours": sum(run["hours"] for run in runs),
                "device": runs[0]["device"],
            }
        )
    return Table(
        "retraining",
        "Retraining",
        RETRAINING_NOTE,
        rows,
        {
            "n": str,
            "error, last epoch": sample_text(2),
            "best epoch": sample_text(2),
            "epochs": str,
            "parameters": "{:,}".format,
            "images/s": _decimals(0),
            "hours": _decimals(3),
        },
    )
