"""The table of what the genotypes of one source have in common, against chance.

Two null hypotheses, because they answer different questions. Against n uniformly random genotypes of the space: do the
seeds agree at all? A mere preference for some operations is enough for that. Against the source's own genotypes, with
the operations of each permuted over its places and its inputs drawn anew: do they agree on where an operation goes,
beyond what their operations make likely? Given how often each operation occurs in each cell, all arrangements are
equally likely under this hypothesis, so that it is an exact permutation test within each genotype (Good, 2005).
Genotypes of different seeds are independent under either hypothesis but their pairs are not, so whole sets of n
genotypes are drawn. p is (1 + draws that share at least as much) / (1 + draws), which counts the observation as a draw
(Phipson and Smyth, 2010).
"""

from math import comb

import numpy as np
from numpy.random import Generator

from freedarts import spaces
from freedarts.genotype import Genotype, Refused
from freedarts.tables import Table, decimals

DRAWS = 999
NAMES = ("supernet", "source")
STATISTICS = ("entries", "operations", "inputs")
PARTS = (
    (*NAMES, "n", "entries", "entries, by chance", "entries, p"),
    (*NAMES, "of", "entries, shuffled", "entries, p shuffled"),
    (*NAMES, "operations", "operations, by chance", "operations, p"),
    (*NAMES, "inputs", "inputs, by chance", "inputs, p"),
)

NOTE = f"""\
What the genotypes of one source have in common, on average over the pairs of its n seeds, out of `of`. `entries`: the
same operation in the same place (on the DARTS space with the same input). `operations`: the same operations in a cell,
as often, wherever they are. `inputs`: the inputs that a node keeps, whatever the operations (the other spaces keep
all). `by chance` is the mean of {DRAWS} sets of n uniformly random genotypes, and p the share of sets, the source's own
among them, that have at least as much in common. `shuffled`: the same for sets of the source's genotypes with the
operations of each in random places of its cell and its inputs drawn anew. Where all seeds prefer the same operations,
but not for the same places, p is small and `p shuffled` large (1.000 where one operation is everywhere). The smallest p
is {1 / (1 + DRAWS):.3f}; one in twenty falls below 0.05 by luck, and with n = 2 few fall below it at all. Agreement
says that a score depends on more than its seed, not that what it selects is good. A source with fewer than two
genotypes has no row."""


def stability_table(genotypes: dict[tuple[str, str], dict[int, Genotype | Refused]]) -> Table:
    """genotypes: (supernet, source) -> seed -> genotype."""
    rows = []
    for (supernet, source), seeds in genotypes.items():
        found = [genotype for genotype in seeds.values() if not isinstance(genotype, Refused)]
        if len(found) > 1:
            rows.append({"supernet": supernet, "source": source, "n": len(found), **stability(found)})
    formats = {column: decimals(3 if ", p" in column else 1) for row in rows for column in row if column not in NAMES}
    formats |= {"n": str, "of": str}
    return Table("stability", "Agreement between seeds", NOTE, rows, formats, PARTS)


def stability(genotypes: list[Genotype]) -> dict[str, float | int | None]:
    """Of at least two genotypes of one space: shared entries, operations and inputs, mean over the pairs; means and p
    under both null hypotheses, from draws that are the same at every call."""
    space, rng = spaces.load(genotypes[0].space), np.random.default_rng(0)
    candidates = [space.OPERATIONS.index(name) for name in space.CANDIDATES]
    observed, uniform, shuffled, places = 0, 0, 0, 0
    for group in space.GATES:
        kept = np.array([[space.kept(genotype)[group] for genotype in genotypes]])
        edges, operations = kept[..., 0], kept[..., 1]
        shape = (DRAWS, *edges.shape[1:])
        permuted = rng.permuted(np.broadcast_to(operations, shape), axis=-1)
        observed = observed + _shared(edges, operations)
        uniform = uniform + _shared(_inputs(space.CHOICES, shape, rng), rng.choice(candidates, shape))
        shuffled = shuffled + _shared(_inputs(space.CHOICES, shape, rng), permuted)
        places += shape[-1]

    pairs = comb(len(genotypes), 2)
    row: dict[str, float | int | None] = {"of": places}
    for name, (found,), by_chance, kept_operations in zip(STATISTICS, observed, uniform, shuffled, strict=True):
        row |= {name: found.item() / pairs, f"{name}, by chance": by_chance.mean().item() / pairs}
        row[f"{name}, p"] = _p(found, by_chance)
        if name == "entries":
            row |= {"entries, shuffled": kept_operations.mean().item() / pairs}
            row["entries, p shuffled"] = _p(found, kept_operations)
    if all(len(edges) == number for edges, number in space.CHOICES):
        row |= {column: None for column in row if column.startswith("inputs")}
    return row


def _p(found: np.integer, drawn: np.ndarray) -> float:
    return (1 + (drawn >= found).sum().item()) / (1 + DRAWS)


def _inputs(choices: tuple, shape: tuple[int, int, int], rng: Generator) -> np.ndarray:
    """(draws, genotypes, places): the edges that uniformly random genotypes keep."""
    parts = [np.array(edges)[rng.random((*shape[:2], len(edges))).argsort(-1)[..., :kept]] for edges, kept in choices]
    return np.concatenate(parts, -1)


def _shared(edges: np.ndarray, operations: np.ndarray) -> np.ndarray:
    """edges, operations: (draws, genotypes, places). Returns, for each of STATISTICS, how much the genotypes of a draw
    share, summed over their pairs: (statistics, draws)."""
    operations = operations + 1  # -1 is a block left out
    ordered = np.sort(operations, -1)
    place = np.arange(ordered.shape[-1])
    first = np.maximum.accumulate(np.where(np.diff(ordered, axis=-1, prepend=-1) != 0, place, 0), -1)
    entries = edges * (operations.max() + 1) + operations
    # A cell's second sep_conv_3x3 is shared with a cell that has two.
    counted = ordered * len(place) + place - first
    return np.stack([_common(ids) for ids in (entries, counted, edges)])


def _common(ids: np.ndarray) -> np.ndarray:
    """ids: (draws, genotypes, places), distinct within a genotype. An id that c genotypes have is shared by
    c(c - 1) / 2 pairs."""
    draws, bins = len(ids), ids.max() + 1
    ids = ids + bins * np.arange(draws)[:, None, None]
    counts = np.bincount(ids.ravel(), minlength=draws * bins).reshape(draws, bins)
    return (counts * (counts - 1) // 2).sum(1)
