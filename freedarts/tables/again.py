"""The table of the release's own searches, made again from their seeds."""

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from freedarts import genotype, spaces
from freedarts.genotype import Genotype, Refused
from freedarts.tables import Column, Table, decimals, formats, rows

DRAWS = 1000
KEPT = "`make cifar10`"  # which run a row is from that is not of this one

NOTE = f"""\
The searches that the release shows, from their seeds: the same supernet, weights and gates and, for SNIP and GraSP,
the same 64 images of CIFAR-10, cropped and flipped in the same way (`draw: released`). `printed` and `here` are the
objective that the release's notebook printed and ours, for the one in `seed`. `shared` are the entries, `of` so
many, that what is found here has in common with what was published for the same seed, on average over the n seeds;
`whole`, for how many seeds all of them. What must be exceeded: `uniform`, two uniformly random genotypes; `same
gates`, two genotypes that select the largest |gate · z| of the same standard normal gates with z standard normal, so
with a score that says nothing ({DRAWS} pairs); `2nd computation`, what the search keeps of its own result when it is
computed again in a way that exact arithmetic could not tell from the first. `verdict` is the audit's of
all seeds, that one among them.
`printed s` is what scoring took in the notebook, on a GPU that is not named; `here s` on one thread of a CPU. `run`:
what this configuration does not search for want of CIFAR-10 is shown as the project's own run of `make cifar10` gave
it (docs/cifar10.md)."""


@dataclass(frozen=True)
class Again:
    """A score on a supernet. results: seed -> scores.json. ours and theirs: seed -> genotype, for the seeds that both
    have. printed: the entry of resources/objectives.yaml."""

    supernet: str
    score: str
    results: dict[int, dict]
    ours: dict[int, Genotype | Refused]
    theirs: dict[int, Genotype | Refused]
    printed: dict

    def objective(self) -> float | None:
        found = self.results.get(self.printed["seed"])
        return found and found["objective"]

    def shared(self) -> list[int]:
        counts = (genotype.agreement(self.ours[seed], self.theirs[seed]) for seed in self.ours)
        return [sum(count.values()) for count in counts if count is not None]

    def entries(self) -> int | None:
        example = next((each for each in self.theirs.values() if not isinstance(each, Refused)), None)
        return example and sum(genotype.agreement(example, example).values())

    def space(self) -> str:
        return next(iter(self.results.values()))["space"]

    def second(self) -> float | None:
        kept = [sum(r["audit"]["agreement"].values()) for r in self.results.values() if r["audit"]["agreement"]]
        return statistics.fmean(kept) if kept else None

    def verdicts(self) -> str:
        counts = Counter(result["audit"]["verdict"] for result in self.results.values())
        return ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))


@cache
def same_gates(space: str) -> float:
    """Entries that two genotypes share, expected, whose scores are |gate * z| of the same gates, all standard normal:
    the mean of DRAWS pairs, the same in every call."""
    module, rng, shared = spaces.load(space), np.random.default_rng(0), 0
    for _ in range(DRAWS):
        shapes = {group: (edges, len(module.OPERATIONS)) for group, edges in module.GATES.items()}
        gates = {group: rng.standard_normal(shape) for group, shape in shapes.items()}
        pair = [
            module.derive({g: np.abs(gate * rng.standard_normal(gate.shape)).tolist() for g, gate in gates.items()})
            for _ in range(2)
        ]
        shared += sum(genotype.agreement(*pair).values())
    return shared / DRAWS


def _mean(found: Again) -> float | None:
    return statistics.fmean(found.shared()) if found.shared() else None


COLUMNS = (
    Column("supernet", lambda found: found.supernet),
    Column("score", lambda found: found.score),
    Column("printed", lambda found: found.printed["objective"], "{:.4f}".format),
    Column("here", lambda found: found.objective() if found.printed["objective"] else None, "{:.4f}".format),
    Column("seed", lambda found: found.printed["seed"], str),
    Column("n", lambda found: len(found.ours), str),
    Column("shared", _mean, decimals(1)),
    Column("of", Again.entries, str),
    Column("whole", lambda found: sum(count == found.entries() for count in found.shared()), str),
    Column("uniform", lambda found: sum(spaces.chance(spaces.load(found.space())).values()), decimals(1)),
    Column("same gates", lambda found: same_gates(found.space()), decimals(1)),
    Column("2nd computation", Again.second, decimals(1)),
    Column("verdict", Again.verdicts),
    Column("printed s", lambda found: found.printed["seconds"], decimals(1)),
    Column("here s", lambda found: statistics.median(r["seconds"] for r in found.results.values()), decimals(1)),
    Column("run", lambda found: "this"),
)

PARTS = (
    ("supernet", "score", "n", "shared", "of", "whole", "verdict"),
    ("supernet", "score", "uniform", "same gates", "2nd computation", "run"),
    ("supernet", "score", "seed", "printed", "here", "printed s", "here s"),
)


def again_table(
    searches: dict[tuple[str, str], dict[int, dict]],
    genotypes: dict[tuple[str, str], dict[int, Genotype | Refused]],
    printed: Iterable[dict],
    kept: Iterable[dict] = (),
) -> Table:
    """searches: (supernet, score) -> seed -> scores.json. genotypes: (supernet, source) -> seed -> genotype. printed:
    resources/objectives.yaml. kept: rows of this table that another run gave. A row for each of *printed*'s searches
    that has run here, or is among the *kept*."""
    made = []
    others = {(row["supernet"], row["score"]): row for row in kept}
    for entry in printed:
        case = entry["supernet"], entry["score"]
        if case in searches:
            made += rows(COLUMNS, [_again(entry, searches, genotypes)])
        elif case in others:
            made.append(others[case] | {"run": KEPT})
    return Table("again", "Found again", NOTE, made, formats(COLUMNS), PARTS)


def _again(entry: dict, searches: dict, genotypes: dict) -> Again:
    supernet, score = case = entry["supernet"], entry["score"]
    proxy = next(iter(searches[case].values()))["proxy"]
    theirs = genotypes.get((supernet, f"published-{proxy}")) or genotypes.get((supernet, f"notebook-{proxy}"), {})
    seeds = [seed for seed in genotypes[case] if seed in theirs]
    ours, published = ({seed: of[seed] for seed in seeds} for of in (genotypes[case], theirs))
    return Again(supernet, score, searches[case], ours, published, entry)
