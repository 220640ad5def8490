"""The table of parameters and multiply-adds, counted here and published."""

from freedarts.tables import Table

NOTE = """\
Of the final network of each genotype, for one image, counted here and as published (in the release's cost notebooks
and logs; for sources that these do not cover, as its model code gives them). `parameters` leaves out the auxiliary
head. `flops` are the multiply-adds of convolutions and the linear layer; `macs` are by the release's own counters: on
the cell spaces batch norm and average pooling count too, on `mobilenet` the linear layer counts 2 · inputs − 1 per
output. The means over ten seeds cannot be computed again: only five of the ten genotypes are listed. Multiply-adds and
what was published are in report.html and tables.csv."""

COUNTS = ("parameters", "flops", "macs")
KEYS = ("task", "supernet", "source")


def cost_table(costs: dict[tuple[str, str, str], dict[int, dict | None]], published: dict) -> Table:
    """costs: (task, supernet, source) -> seed -> counts, None for a refused genotype. published: costs.yaml."""
    printed = {(*(entry[key] for key in KEYS), entry["seed"]): entry for entry in published["genotypes"]}
    means = {tuple(entry[key] for key in KEYS): entry for entry in published["ten_seed_means"]}
    rows = []
    for case, seeds in costs.items():
        where = dict(zip(KEYS, case, strict=True))
        rows += [where | row for row in _merged([_row(s, seeds[s], printed.get((*case, s), {})) for s in seeds])]
        if case in means:
            rows.append(where | _mean_row(means[case]))
    formats = dict.fromkeys(
        ("with auxiliary head", *(column for count in COUNTS for column in _columns(count))), "{:,}".format
    )
    parts = ((*KEYS, "seed", "parameters", "check"),)  # wider ones would not fit a page
    return Table("costs", "Parameters and multiply-adds", NOTE, rows, formats, parts)


def exact(case: tuple[str, str, str], seeds: list[int], costs: dict[tuple, dict], published: dict) -> bool:
    """Whether there are published counts of these networks, and all are ours. case: task, supernet, source; the rest as
    above."""
    printed = [entry for entry in published["genotypes"] if tuple(entry[key] for key in KEYS) == case]
    checks = [_check(costs.get(case, {}).get(each["seed"]), each) for each in printed if each["seed"] in seeds]
    return bool(checks) and set(checks) == {"exact"}


def _columns(count: str) -> tuple[str, str]:
    """Counted here, and published."""
    return count, f"{count}, published"


def _row(seed: int, ours: dict | None, theirs: dict) -> dict:
    row: dict = {"seed": str(seed)}
    for count in COUNTS:
        row |= dict(zip(_columns(count), (ours and ours[count], theirs.get(count)), strict=True))
    return row | {"with auxiliary head": ours and ours["parameters_with_auxiliary"], "check": _check(ours, theirs)}


def _mean_row(mean: dict) -> dict:
    """What is published of ten seeds together, in millions."""
    row: dict = {"seed": "mean of 0 to 9"}
    for count in COUNTS:
        row |= dict(zip(_columns(count), (None, round(mean[count] * 1e6, 1)), strict=True))
    return row | {"with auxiliary head": None, "check": "cannot tell"}


def _merged(rows: list[dict]) -> list[dict]:
    """Neighbours that differ in their seed alone in one row."""
    merged: list[dict] = []
    for row in rows:
        if merged and merged[-1] | {"seed": None} == row | {"seed": None}:
            merged[-1]["seed"] += f", {row['seed']}"
        else:
            merged.append(row)
    return merged


def _check(ours: dict | None, theirs: dict) -> str | None:
    if ours is None:
        return "no genotype"
    differences = {count: ours[count] - theirs[count] for count in COUNTS if count in theirs}
    if not differences:
        return None
    wrong = [f"{count} {difference:+,}" for count, difference in differences.items() if difference]
    return ", ".join(wrong) or "exact"
