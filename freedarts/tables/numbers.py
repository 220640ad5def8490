"""The tables of the numbers that the paper and its release print, of what results/numbers/ holds."""

from freedarts.tables import Sample, Table, sample_text

NOTE = """\
Test errors in percent. `log` columns are from the training logs in the paper's release; a best epoch is chosen on the
test set. `genotype` says whether the search, audited here, finds the published genotype from its seed. The next
columns are errors of the last epoch here, mean ± standard deviation: of the published genotypes, and, where they were
trained, of what is searched here and of random genotypes. `verdict`, of the n trainings of published genotypes:
`reproduced` when n ≥ 3 and the mean is within 2 · max(standard deviation, floor) · √(1 + 1/n) of the paper's number,
with floors of 0.08 (CIFAR-10), 0.25 (CIFAR-100), 0.15 and 0.10 (ImageNet, top-1 and top-5); the rule was fixed before
anything was trained. `evidence here` is the last rung that the evidence reaches: `the paper alone`; `costs exact`,
its networks have the published parameters and multiply-adds; `first step equal` and `followed to step k` of the
training whose log the release has (Replays); `trained k of 3`; `judged`.
`snakemake --config 'numbers=[cifar10/freedarts/published]'` makes the trainings that the verdict on that number needs
and shows them here; without `/published` those of all readings, config/paper.yaml those of all numbers. report.html
and tables.csv have the command of each (`next`)."""

LOOKUP_NOTE = """\
Accuracies in percent that the release's notebooks print: each of one search, looked up in v1_0 of the benchmark.
`genotype` says whether the search, audited here, finds the same architecture from the same seed; `looked up` is what
the benchmark holds for the printed one, in the `version` beside it. `verdict`: `reproduced` when both agree to the last
digit. The accuracies that are part of this project have no validation accuracies of v1_0: v1_1, which has more
trainings, may have others, and then the number `needs the v1_0 file` (docs/nasbench201.md). Where the release prints
each is in report.html and tables.csv (`evidence in the release`)."""


PAPER_NOTE = """\
Test errors in percent, a row of the paper and a row of what the published genotypes gave here (last epoch, mean ±
standard deviation), as far as they have been trained. The next table has what stands behind each figure."""


def paper_table(numbers: list[dict]) -> Table:
    """In the paper's layout: methods by data sets. numbers: contents of results/numbers/, of those that are trained."""
    printed: dict[str, dict] = {}
    here: dict[str, dict] = {}
    links: dict[str, dict] = {}
    for number in numbers:
        method, column = number["method"], f"{number['dataset']} {number['measure'].removesuffix(' error')}"
        printed.setdefault(method, {})[column] = number["value"]
        here.setdefault(method, {})[column] = _sample(number["readings"]["published"])
        links.setdefault(method, {})[column] = number["id"]
    columns = dict.fromkeys(column for row in printed.values() for column in row)
    rows = [
        {"method": method, "errors": name, **{column: row[method].get(column) for column in columns}}
        for method in printed
        for name, row in (("paper", printed), ("here", here))
    ]
    formats = dict.fromkeys(columns, lambda value: value.text(2) if isinstance(value, Sample) else str(value))
    linked = [links[row["method"]] for row in rows]
    return Table("paper", "As in the paper", PAPER_NOTE, rows, formats, links=linked)


def numbers_table(numbers: list[dict], tasks: dict[str, dict], reached: dict[str, str]) -> Table:
    """numbers: as of `paper_table`. tasks: name -> whether it is trainable. reached: number -> how far its evidence
    reaches (freedarts.tables.evidence)."""
    names = dict.fromkeys(name for number in numbers for name in number["readings"])
    trained = [name for name in names if any(number["readings"][name]["n"] for number in numbers)]
    shown = list(dict.fromkeys(["published", *trained]))
    rows = []
    for number in numbers:
        log, published = number["log"] or {}, number["readings"]["published"]
        rows.append(
            {
                "number": number["id"],
                "measure": f"{number['dataset']} {number['measure']}",
                "paper": number["value"],
                "log, last epoch": log.get("last"),
                "log, best epoch": log.get("best"),
                "evidence in the release": number["evidence"],
                "genotype": number["genotype"],
                **{name: _sample(number["readings"][name]) for name in shown},
                "n": published["n"],
                "evidence here": reached[number["id"]],
                "verdict": number["verdict"],
                "next": _next(number, published["missing"], tasks),
            }
        )
    formats = dict.fromkeys(("paper", "log, last epoch", "log, best epoch", "n"), str)
    formats |= dict.fromkeys(shown, sample_text(2))
    parts = (
        ("number", "paper", *shown[:2], "n", "evidence here", "verdict"),
        *([("number", *shown[2:])] if shown[2:] else []),
        ("number", "measure", "log, last epoch", "log, best epoch"),
        ("number", "evidence in the release"),
        ("number", "genotype"),
    )
    return Table("numbers", "The numbers that the paper prints", NOTE, rows, formats, parts)


def lookups_table(numbers: list[dict]) -> Table:
    """numbers: contents of results/numbers/, of those that are looked up."""
    rows = []
    for number in numbers:
        published = number["readings"]["published"]
        rows.append(
            {
                "number": number["id"],
                "measure": f"{number['dataset']} {number['measure']}",
                "release": number["value"],
                "evidence in the release": number["evidence"],
                "genotype": number["genotype"],
                "looked up": _sample(published),
                "version": published["version"],
                "verdict": number["verdict"] + ("" if published["n"] else f"; {_why_not(published)}"),
            }
        )
    formats = {"release": str, "looked up": sample_text(2)}
    parts = (
        ("number", "release", "looked up", "version", "verdict"),
        ("number", "measure", "genotype"),
    )
    return Table("lookups", "The NAS-Bench-201 numbers that the release prints", LOOKUP_NOTE, rows, formats, parts)


def _why_not(reading: dict) -> str:
    return "not looked up" if reading["missing"] else "not in this benchmark"


def _sample(reading: dict) -> Sample | None:
    return Sample(tuple(reading["values"])) if reading["n"] else None


def _next(number: dict, missing: list[list], tasks: dict[str, dict]) -> str | None:
    """The command that trains what is missing and shows it here."""
    if not missing:
        return None
    task = number["reproduced_by"]["task"]
    if not tasks.get(task, {}).get("trainable"):
        return f"the task {task} cannot be trained in this version"
    return f"`snakemake --config 'numbers=[{number['id']}/published]'`"
