"""The table of searches: objective, audit, agreement, time and memory."""

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from freedarts import genotype, spaces
from freedarts.genotype import Genotype, Refused
from freedarts.tables import Column, Table, decimals, formats, rows

NOTE = """\
n searches each, with the seeds 0 to n - 1 where the configuration does not list them. `objective` is the scalar whose
gradient gives the scores, `printed` what the release's notebook printed for that seed. It is the sum of the logits
for SynFlow, the cross-entropy for SNIP and for GraSP, which takes second derivatives. `verdict` is the audit's: the
scores are computed a second time in a way that exact arithmetic could not tell from the first (a float32 score in
float64; a float64 score with every weight times 1 + u·2⁻⁵⁰, u in {−1, 0, 1}); `sound` if they differ by at most 1 %
of the largest score and select the same genotype, else `noise`; `overflow` if a value left the range of the
precision; `not run` where a folder of images is not there (once it is, the next run includes the search). `largest
score` is that of the first and of the second computation, for seed 0; `largest difference` is the worst of the n, as
a share of the largest score. The `shared` columns count the (operation, input) entries, `of` so many, that two
genotypes have in common, on average: with the second computation, between two seeds, with the genotype that the paper
published for the same proxy and seed (which has the same random gates, so that more than chance needs no information
in the score; for SNIP and GraSP it saw CIFAR-10), and by chance between two uniformly random genotypes. `seconds`
(scoring alone, one CPU thread) and `memory` (above what the process held before) are medians."""


@dataclass(frozen=True)
class Search:
    """All seeds of a score on a supernet. results: seed -> scores.json. genotypes: seed -> what it selects. published:
    seed -> what the paper published for the proxy. printed: the objective that the release printed."""

    supernet: str
    score: str
    results: dict[int, dict]
    genotypes: dict[int, Genotype | Refused]
    published: dict[int, Genotype | Refused]
    printed: float | None

    @property
    def audits(self) -> list[dict]:
        return [result["audit"] for result in self.results.values()]

    def first(self, *keys: str) -> float | None:
        """The value at *keys* of the search with seed 0."""
        found = self.results.get(0)
        for key in keys:
            found = found and found[key]
        return found

    def median(self, key: str) -> float:
        return statistics.median(result[key] for result in self.results.values())

    def verdicts(self) -> str:
        counts = Counter(audit["verdict"] for audit in self.audits)
        return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))

    def largest_difference(self) -> float | None:
        return max((audit["difference"] for audit in self.audits if audit["difference"] is not None), default=None)

    def shared_with_second(self) -> float | None:
        return _mean(sum(audit["agreement"].values()) for audit in self.audits if audit["agreement"])

    def shared_by_seeds(self) -> float | None:
        return _agreement(combinations(self.genotypes.values(), 2))

    def shared_with_published(self) -> float | None:
        return _agreement(
            (found, self.published[seed]) for seed, found in self.genotypes.items() if seed in self.published
        )

    def shared_by_chance(self) -> float:
        return sum(spaces.chance(spaces.load(next(iter(self.results.values()))["space"])).values())

    def entries(self) -> int | None:
        """Of a genotype; None if all are refused."""
        example = next((found for found in self.genotypes.values() if not isinstance(found, Refused)), None)
        return example and sum(genotype.agreement(example, example).values())


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return statistics.fmean(values) if values else None


def _agreement(pairs: Iterable[tuple]) -> float | None:
    shared = (genotype.agreement(first, second) for first, second in pairs)
    return _mean(sum(counts.values()) for counts in shared if counts is not None)


COLUMNS = (
    Column("supernet", lambda search: search.supernet),
    Column("score", lambda search: search.score),
    Column("n", lambda search: len(search.results), str),
    Column("objective, seed 0", lambda search: search.first("objective"), "{:.6g}".format),
    Column("printed", lambda search: search.printed, str),
    Column("verdict", Search.verdicts),
    Column("largest score, seed 0", lambda search: search.first("audit", "largest"), "{:.3g}".format),
    Column("2nd computation", lambda search: search.first("audit", "largest_second"), "{:.3g}".format),
    Column("largest difference", Search.largest_difference, "{:.1e}".format),
    Column("shared, 2nd computation", Search.shared_with_second, decimals(1)),
    Column("shared, seeds", Search.shared_by_seeds, decimals(1)),
    Column("shared, published", Search.shared_with_published, decimals(1)),
    Column("shared, chance", Search.shared_by_chance, decimals(1)),
    Column("of", Search.entries, str),
    Column("seconds", lambda search: search.median("seconds"), decimals(2)),
    Column("memory, MB", lambda search: search.median("peak_memory_mb"), decimals(0)),
)

PARTS = (
    ("supernet", "score", "n", "verdict", "shared, published", "of"),
    ("supernet", "score", "shared, 2nd computation", "shared, seeds", "shared, chance"),
    ("supernet", "score", "objective, seed 0", "printed", "seconds", "memory, MB"),
    ("supernet", "score", "largest score, seed 0", "2nd computation", "largest difference"),
)


def search_table(
    searches: dict[tuple[str, str], dict[int, dict]],
    genotypes: dict[tuple[str, str], dict[int, Genotype | Refused]],
    objectives: list[dict],
    left_out: Iterable[tuple[str, str, str]] = (),
) -> Table:
    """searches: (supernet, score) -> seed -> scores.json. genotypes: (supernet, source) -> seed -> genotype.
    objectives: resources/objectives.yaml. left_out: (supernet, score, missing folder)."""
    printed = {(entry["supernet"], entry["score"]): entry["objective"] for entry in objectives if entry["seed"] == 0}
    found = []
    for (supernet, score), results in searches.items():
        proxy = next(iter(results.values()))["proxy"]
        published = genotypes.get((supernet, f"published-{proxy}"), {})
        case = (supernet, score)
        found.append(Search(*case, results, genotypes[case], published, printed.get(case)))
    shown = rows(COLUMNS, found)
    for supernet, score, folder in left_out:
        row = {"supernet": supernet, "score": score, "n": 0, "verdict": f"not run: no {folder}"}
        shown.append(dict.fromkeys(shown[0] if shown else row) | row)
    return Table("search", "Searches", NOTE, shown, formats(COLUMNS), PARTS)
