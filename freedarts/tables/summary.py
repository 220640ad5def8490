"""What the tables say, in a few sentences that are computed from their rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain

SIGNIFICANT = 0.05


def in_short(tables: Iterable) -> list[str]:
    """Sentences of Markdown, one for each table that has something to say. tables: of freedarts.tables."""
    rows = _rows(tables)
    items = [
        *_objectives(rows["search"]),
        *_verdicts(rows["search"]),
        *_again(rows["again"]),
        *_agreement(rows["stability"]),
        *_correlation(rows["correlation"]),
        *_costs(rows["costs"]),
        *_numbers(rows["numbers"], "test errors that the paper prints"),
        *_evidence(rows["numbers"]),
        *_numbers(rows["lookups"], "accuracies that the release's NAS-Bench-201 notebooks print"),
    ]
    return items or ["Nothing has run."]


def key_figures(tables: Iterable) -> list[tuple[str, str]]:
    """(k of n, of what), of what has run."""
    rows = _rows(tables)
    verdicts = _counted(rows["search"])
    searched = [row for row in rows["again"] if row["n"]]
    return [
        (f"{sum(kept)} of {len(kept)}", what)
        for kept, what in (
            (_same(rows["search"]), "objectives that the release printed come out to the last digit"),
            (
                list(chain.from_iterable([name == "noise"] * count for name, count in verdicts.items())),
                "searches select nothing but rounding noise",
            ),
            ([row["whole"] == row["n"] for row in searched], "published searches find the published genotypes again"),
            ([check == "exact" for check in _checks(rows["costs"])], "published costs are exact"),
            (_reproduced(rows["lookups"]), "NAS-Bench-201 accuracies of the release are reproduced"),
            (_reproduced(rows["numbers"]), "test errors of the paper are reproduced by training"),
        )
        if kept
    ]


def _rows(tables: Iterable) -> dict[str, list[dict]]:
    return defaultdict(list, {table.name: table.rows for table in tables})


def _reproduced(numbers: list[dict]) -> list[bool]:
    return [row["verdict"].startswith("reproduced") for row in numbers]


def _same(searches: list[dict]) -> list[bool]:
    """Of each objective that the release printed, whether ours is the same to its last digit."""
    printed = [row for row in searches if row["printed"] is not None and row["objective, seed 0"] is not None]
    return [f"{row['objective, seed 0']:.4f}" == f"{row['printed']:.4f}" for row in printed]


def _counted(searches: list[dict]) -> Counter:
    parts = (part.split() for row in searches if row["n"] for part in row["verdict"].split(", "))
    verdicts: Counter = Counter()
    for count, verdict in parts:
        verdicts[verdict] += int(count)
    return verdicts


def _checks(costs: list[dict]) -> list[str]:
    return [row["check"] for row in costs if row["check"] and row["check"] not in ("no genotype", "cannot tell")]


def _objectives(searches: list[dict]) -> Iterator[str]:
    if printed := _same(searches):
        same = f"{sum(printed)} of {len(printed)}"
        yield f"Supernets: {same} objectives that the release printed come out to the last digit."


def _verdicts(searches: list[dict]) -> Iterator[str]:
    verdicts, noise, left_out = _counted(searches), [], []
    for row in searches:
        if not row["n"]:
            left_out.append(f"`{row['score']}` on `{row['supernet']}`")
            continue
        for part in row["verdict"].split(", "):
            count, verdict = part.split()
            if verdict == "noise":
                noise.append(f"`{row['score']}` on `{row['supernet']}` ({count} of {row['n']})")
    if verdicts:
        found = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        yield f"Audit of {verdicts.total()} searches: {found}."
    if noise:
        yield f"Rounding noise, so that the selected genotypes say nothing: {_listed(noise)}."
    if left_out:
        yield f"Not searched, for want of images: {_listed(left_out)}."


def _again(searches: list[dict]) -> Iterator[str]:
    rows = [row for row in searches if row["n"]]
    whole = [f"`{row['score']}` on `{row['supernet']}`" for row in rows if row["whole"] == row["n"]]
    if whole:
        seeds = sum(row["n"] for row in rows if row["whole"] == row["n"])
        yield f"Published genotypes found again from their seeds, every entry of all {seeds}: {_listed(whole)}."
    if lost := [row for row in rows if row["whole"] < row["n"]]:
        found = [f"`{r['score']}` on `{r['supernet']}` ({r['shared']:.1f} of {r['of']})" for r in lost]
        yield f"Not found again, entries in common on average: {_listed(found)}."


def _agreement(sources: list[dict]) -> Iterator[str]:
    published = [row for row in sources if row["source"].startswith("published-")]
    if published:
        more = [f"`{r['source']}` on `{r['supernet']}`" for r in published if r["entries, p"] < SIGNIFICANT]
        yield (
            f"Published genotypes: in {len(published) - len(more)} of {len(published)} sets the seeds agree no more"
            f" than random genotypes do (p ≥ {SIGNIFICANT})" + (f"; in {_listed(more)} they do." if more else ".")
        )


def _correlation(scores: list[dict]) -> Iterator[str]:
    """Of the first data set: the others rank alike."""
    rows = [row for row in scores if row["data set"] == scores[0]["data set"] and row["ρ"] is not None]
    rated = defaultdict(list)
    for row in rows:
        rated[row["rates"].partition(" ")[0]].append(f"`{row['score']}` {row['ρ'].mean:.2f}")
    for what, shown in rated.items():
        yield f"Rank correlation of scores of {what} with the test accuracy on {rows[0]['data set']}: {_listed(shown)}."


def _costs(costs: list[dict]) -> Iterator[str]:
    if checks := _checks(costs):
        exact = checks.count("exact")
        yield f"Costs: {exact} of {len(checks)} rows with published parameters and multiply-adds are exact."


def _numbers(numbers: list[dict], what: str) -> Iterator[str]:
    if numbers:
        verdicts = Counter(row["verdict"].split(";")[0].split(":")[0].split(" (")[0] for row in numbers)
        found = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
        yield f"The {len(numbers)} {what}: {found}."


def _evidence(numbers: list[dict]) -> Iterator[str]:
    if numbers:
        rungs = Counter(row["evidence here"] for row in numbers)
        yield f"How far the evidence for them reaches: {', '.join(f'{count} {rung}' for rung, count in rungs.items())}."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
