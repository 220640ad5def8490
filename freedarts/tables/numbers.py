"""The table of the figures that the paper prints."""

from freedarts.study import paper as rule
from freedarts.tables import Sample, Table, sample_text
from freedarts.tables.nasbench201 import NO_FILE

NOTE = """\
Test errors in percent. `log` columns are from the training logs in the paper's release; a best epoch is chosen on the
test set. `genotype` says whether the search, audited here, finds the published genotype from its seed. The next columns
are errors of the last epoch here, mean ± standard deviation: of the published genotypes, and, where they were trained,
of what is searched here and of random genotypes. `verdict`, of the n trainings of published genotypes: `reproduced`
when n ≥ 3 and the mean is within 2 · max(standard deviation, floor) · √(1 + 1/n) of the paper's figure, with floors of
0.08 (CIFAR-10), 0.25 (CIFAR-100), 0.15 and 0.10 (ImageNet, top-1 and top-5); the rule was fixed before anything was
trained. A command makes all trainings of a figure and shows them here; config/paper.yaml those of all figures."""

LOOKUP_NOTE = """\
Accuracies in percent that the release's notebooks print: each of one search, looked up in the first version of the
benchmark. `genotype` says whether the search, audited here, finds the same architecture from the same seed; `looked up`
is what the benchmark here holds for the printed one. `verdict`: `reproduced` when both agree to the last digit; other
versions of the benchmark may differ by rounding."""


PAPER_NOTE = """\
Test errors in percent, a row of the paper and a row of what the published genotypes gave here (last epoch, mean ±
standard deviation), as far as they have been trained. The next table has what stands behind each figure."""


def paper_table(numbers: list[dict], readings: dict[str, dict], trainings: dict[rule.Training, dict]) -> Table:
    """The figures in the paper's layout: methods by data sets. Arguments as of `numbers_table`."""
    printed: dict[str, dict] = {}
    here: dict[str, dict] = {}
    for number in numbers:
        method, column = number["method"], f"{number['dataset']} {number['measure'].removesuffix(' error')}"
        printed.setdefault(method, {})[column] = number["value"]
        wanted = rule.cases(number, readings)["published"]
        here.setdefault(method, {})[column] = _sample(rule.values(number, trainings, wanted))
    columns = dict.fromkeys(column for row in printed.values() for column in row)
    rows = [
        {"method": method, "errors": name, **{column: row[method].get(column) for column in columns}}
        for method in printed
        for name, row in (("paper", printed), ("here", here))
    ]
    formats = dict.fromkeys(columns, lambda value: value.text(2) if isinstance(value, Sample) else str(value))
    return Table("paper", "As in the paper", PAPER_NOTE, rows, formats)


def numbers_table(
    numbers: list[dict],
    readings: dict[str, dict],
    trainings: dict[rule.Training, dict],
    searches: dict[tuple[str, str], dict[int, dict]],
    genotypes: dict[tuple[str, str], dict[int, object]],
    tasks: dict[str, dict],
) -> Table:
    """numbers: resources/numbers.yaml. readings: the configuration's. trainings: metrics. searches, genotypes: by
    (supernet, source), then by seed. tasks: name -> whether it is trainable."""
    rows = []
    for number in numbers:
        log, wanted = number["log"] or {}, number["reproduced_by"]
        cases = rule.cases(number, readings)
        found = rule.reading(number, trainings, cases["published"])
        rows.append(
            {
                "number": number["id"],
                "measure": f"{number['dataset']} {number['measure']}",
                "paper": number["value"],
                "log, last epoch": log.get("last"),
                "log, best epoch": log.get("best"),
                "evidence in the release": number["evidence"],
                "genotype": _found_again(number, readings, searches, genotypes),
                **{name: _sample(rule.values(number, trainings, wanted)) for name, wanted in cases.items()},
                "n": found["n"],
                "verdict": found["verdict"] + _next(number["id"], wanted["task"], found["missing"], tasks),
            }
        )
    empty = {name for name in readings if name != "published" and not any(row[name] for row in rows)}
    rows = [{column: value for column, value in row.items() if column not in empty} for row in rows]
    formats = dict.fromkeys(("paper", "log, last epoch", "log, best epoch", "n"), str)
    formats |= dict.fromkeys((name for name in readings if name not in empty), sample_text(2))
    return Table("numbers", "The numbers that the paper prints", NOTE, rows, formats)


def lookups_table(
    numbers: list[dict],
    readings: dict[str, dict],
    lookups: dict[tuple[str, str], dict],
    searches: dict[tuple[str, str], dict[int, dict]],
    genotypes: dict[tuple[str, str], dict[int, object]],
) -> Table:
    """Arguments as of `numbers_table`. lookups: (supernet, source) -> what lookup_nasbench201 wrote."""
    figures, rows = rule.looked_up(lookups), []
    for number in numbers:
        wanted = rule.cases(number, readings)["published"]
        found = rule.reading(number, figures, wanted)
        rows.append(
            {
                "number": number["id"],
                "measure": f"{number['dataset']} {number['measure']}",
                "release": number["value"],
                "evidence in the release": number["evidence"],
                "genotype": _found_again(number, readings, searches, genotypes),
                "looked up": _sample(rule.values(number, figures, wanted)),
                "verdict": found["verdict"] + ("" if found["n"] else f"; {_why_not(lookups, found['missing'])}"),
            }
        )
    formats = {"release": str, "looked up": sample_text(2)}
    return Table("lookups", "The NAS-Bench-201 numbers that the release prints", LOOKUP_NOTE, rows, formats)


def _why_not(lookups: dict, missing: list) -> str:
    if not lookups:
        return NO_FILE
    return "not looked up" if missing else "not in this benchmark"


def _found_again(number: dict, readings: dict[str, dict], searches: dict, genotypes: dict) -> str:
    wanted, case = number["reproduced_by"], rule.searched(number, readings)
    published = genotypes.get((wanted["supernet"], wanted["source"]), {})
    return rule.found_again(number, searches.get(case, {}), genotypes.get(case, {}), published)


def _sample(errors: list[float]) -> Sample | None:
    return Sample(tuple(errors)) if errors else None


def _next(number: str, task: str, missing: list[list], tasks: dict[str, dict]) -> str:
    """The command that trains what is missing and shows it here."""
    if not missing:
        return ""
    if not tasks.get(task, {}).get("trainable"):
        return f"; the task {task} cannot be trained in this version"
    return f"; `snakemake --config 'numbers=[{number}]'`"
