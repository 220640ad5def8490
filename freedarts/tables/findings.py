"""What the tables say, on one screen: a row for each claim, computed from their rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from freedarts.tables import Table
from freedarts.tables.evidence import RUNGS

SIGNIFICANT = 0.05
NOTE = """\
A row for each claim of the paper or its release that was checked here. `n`: how many objectives, searches, genotypes,
logs or printed values it stands on. `where`: the table below that shows them one by one."""


def findings_table(tables: Iterable[Table]) -> Table:
    """A row for each claim that the *tables* have something to say about; where: the title of the one that says it."""
    tables = {table.name: table for table in tables}
    made, links = [], []
    for name, ask in QUESTIONS:
        if name in tables:
            for claim, found, n in ask(tables[name].rows):
                made.append({"claim": claim, "found": found, "n": n, "where": tables[name].title})
                links.append({"where": name})
    return Table("findings", "What was found", NOTE, made, {"n": str}, links=links)


def key_figures(tables: Iterable[Table]) -> list[tuple[str, str]]:
    """(k of n, of what), of what has run."""
    rows = defaultdict(list, {table.name: table.rows for table in tables})
    verdicts = _verdicts(rows["search"])
    checks = _checks(rows["costs"])
    whole, of = (sum(row[name] for row in rows["again"]) for name in ("whole", "n"))
    counts = [
        (verdicts["noise"], verdicts.total(), "searches select nothing but rounding noise"),
        (whole, of, "published genotypes come out again from their seeds"),
        (checks.count("exact"), len(checks), "published costs are exact"),
        (*_reproduced(rows["lookups"]), "NAS-Bench-201 accuracies of the release are reproduced"),
        (*_reproduced(rows["numbers"]), "test errors of the paper are reproduced by training"),
    ]
    return [(f"{k} of {n}", what) for k, n, what in counts if n]


def _reproduced(numbers: list[dict]) -> tuple[int, int]:
    return sum(row["verdict"].startswith("reproduced") for row in numbers), len(numbers)


def _searches(searches: list[dict]) -> Iterator[tuple]:
    printed = [row for row in searches if row["printed"] is not None and row["objective, seed 0"] is not None]
    same = sum(f"{row['objective, seed 0']:.4f}" == f"{row['printed']:.4f}" for row in printed)
    if verdicts := _verdicts(searches):
        objectives = f"{same} of {len(printed)} printed objectives of seed 0 exact; " if printed else ""
        audit = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        yield "Searches, audited", f"{objectives}{audit}", verdicts.total()


def _verdicts(searches: list[dict]) -> Counter:
    verdicts: Counter = Counter()
    for row in searches:
        for part in row["verdict"].split(", ") if row["n"] else ():
            count, verdict = part.split()
            verdicts[verdict] += int(count)
    return verdicts


def _again(searches: list[dict]) -> Iterator[tuple]:
    by_score = defaultdict(list)
    for row in searches:
        if row["n"]:
            by_score[row["score"]].append(row)
    for score, rows in by_score.items():
        n, whole, noise = sum(row["n"] for row in rows), sum(row["whole"] for row in rows), _verdicts(rows)["noise"]
        entries = sum(row["of"] * row["n"] for row in rows)
        shared, gates = (sum(row[key] * row["n"] for row in rows) / entries for key in ("shared", "same gates"))
        found = "yes, every entry" if whole == n else f"no: {shared:.0%} of entries (chance {gates:.0%})"
        if whole < n and noise:
            found += f", noise in {noise} of {n}"
        yield f"`{score}` comes out again", found, n


def _agreement(sources: list[dict]) -> Iterator[tuple]:
    if published := [row for row in sources if row["source"].startswith("published-")]:
        more = sum(row["entries, p"] < SIGNIFICANT for row in published)
        yield (
            "Published seeds agree",
            f"more than chance in {more} of {len(published)} sets",
            len(published),
        )


def _correlation(scores: list[dict]) -> Iterator[tuple]:
    """Of the first data set: the others rank alike. Of what rates whole architectures: the best, beside the counts."""
    rows = [r for r in scores if r["data set"] == scores[0]["data set"] and r["ρ"] is not None]
    rated = {r["score"]: r["ρ"].mean for r in rows if r["rates"].partition(" ")[0] == "architectures"}
    counts, others = "parameters", sorted(set(rated) - {"parameters", "flops"}, key=rated.get, reverse=True)
    if others:
        shown = [*others[:1], *([counts] if counts in rated else [])]
        found = f"ρ with accuracy: {', '.join(f'`{name}` {rated[name]:.2f}' for name in shown)}"
        yield "Scores rank architectures", found, len(rated)


def _costs(costs: list[dict]) -> Iterator[tuple]:
    if checks := _checks(costs):
        untold = sum(row["check"] == "cannot tell" for row in costs)
        found = f"{checks.count('exact')} of {len(checks)} rows exact"
        found += f"; {untold} more cannot be told" if untold else ""
        yield "Parameters and multiply-adds", found, len(checks)


def _checks(costs: list[dict]) -> list[str]:
    return [row["check"] for row in costs if row["check"] and row["check"] not in ("no genotype", "cannot tell")]


def _replays(replays: list[dict]) -> Iterator[tuple]:
    if replays:
        equal = sum(row["first step"] == "equal" for row in replays)
        followed = [f"`{row['log']}` {row['verdict']}" for row in replays if row["verdict"].startswith("followed")]
        found = "; ".join([f"first loss equal in {equal} of {len(replays)}", *followed])
        yield "Published trainings start like ours", found, len(replays)


def _comparison(pairs: list[dict]) -> Iterator[tuple]:
    if pairs:
        seen = sum(row["seen"] == "yes" for row in pairs)
        found = (
            f"in {seen} of {len(pairs)} pairs; {max(row['smallest to see'] for row in pairs):.1f} points would be seen"
        )
        yield "Sources of genotypes differ", found, len(pairs)


def _numbers(numbers: list[dict]) -> Iterator[tuple]:
    if numbers:
        rungs = [row["evidence here"] for row in numbers if row["evidence here"] != RUNGS[0]]
        evidence = f"; {_counts(rungs)}" if rungs else ""
        yield "Test errors", f"{_counts(row['verdict'] for row in numbers)}{evidence}", len(numbers)


def _lookups(numbers: list[dict]) -> Iterator[tuple]:
    if numbers:
        yield "Printed accuracies", _counts(row["verdict"] for row in numbers), len(numbers)


def _counts(verdicts: Iterable[str]) -> str:
    """Without what stands behind a verdict: a command, or how many trainings it lacks."""
    counts = Counter(verdict.split(";")[0].split(":")[0].split(" (")[0] for verdict in verdicts)
    of = {verdict: verdict.replace("needs ", "need ") if count > 1 else verdict for verdict, count in counts.items()}
    return ", ".join(f"{count} {of[verdict]}" for verdict, count in counts.items())


# Which table says it, in the order in which a reader asks.
QUESTIONS = (
    ("search", _searches),
    ("again", _again),
    ("stability", _agreement),
    ("replays", _replays),
    ("comparison", _comparison),
    ("costs", _costs),
    ("numbers", _numbers),
    ("lookups", _lookups),
    ("correlation", _correlation),
)
