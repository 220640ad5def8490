"""Genotypes that no score selects: random ones, random ones with given shares of operations, and the largest one.

Each is a score matrix that the space's own derivation reads, so that they need no rule of their own in any space.
Imports no torch.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable

from freedarts import spaces
from freedarts.genotype import Genotype

KINDS = ("random", "random-matched", "largest")


def _derived(space: str, score: Callable[[str, str], float]) -> Genotype:
    """The genotype of scores by (gate group, operation), computed anew for each edge."""
    module = spaces.load(space)
    scores = {
        group: [[score(group, operation) for operation in module.OPERATIONS] for _ in range(edges)]
        for group, edges in module.GATES.items()
    }
    return spaces.derive(module, scores)


def uniform(space: str, seed: int) -> Genotype:
    """Uniformly random. Which of independent uniform scores is the largest is uniform, and how large it is does not
    depend on which it is, so that operations and, in the DARTS space, inputs are both uniform and independent."""
    draw = random.Random(seed)
    return _derived(space, lambda group, operation: draw.random())


def shares(genotypes: Iterable[Genotype]) -> dict[str, dict[str, float]]:
    """Share of each operation in all *genotypes* of one space together, per gate group; omitted blocks do not count."""
    counts: dict[str, Counter] = {}
    for genotype in genotypes:
        module = spaces.load(genotype.space)
        for group, entries in module.kept(genotype).items():
            names = (module.OPERATIONS[operation] for _, operation in entries if operation >= 0)
            counts.setdefault(group, Counter()).update(names)
    return {group: {name: n / count.total() for name, n in count.items()} for group, count in counts.items()}


def matched(space: str, seed: int, share: dict[str, dict[str, float]]) -> Genotype:
    """Random with the given *share* of each operation per gate group; inputs are uniform.

    Of exponential variables with the shares for rates, each is the smallest with the probability of its share, and how
    small it is does not depend on which it is: the inputs, which the derivation takes by it, stay uniform.
    """
    draw = random.Random(seed)

    def score(group: str, operation: str) -> float:
        minus_exponential = math.log(1 - draw.random())
        part = share[group].get(operation)
        return minus_exponential / part if part else -math.inf

    return _derived(space, score)


def largest(space: str) -> Genotype:
    """The genotype with the most parameters: the space's LARGEST operation everywhere.

    Parameters add up over edges, and that operation has the most on any edge. In the DARTS space they do not depend on
    the inputs, of which each node takes the first two; in the MobileNet space leaving a block out only narrows what
    follows.
    """
    best = spaces.load(space).LARGEST
    return _derived(space, lambda group, operation: float(operation == best))
