"""Differences between sources whose networks were trained alike: one-way analysis of variance, by pairs of sources."""

import math
import statistics
from collections import defaultdict
from itertools import combinations

# Of two sources: a two-sided t-test at 5 %, which finds the difference four times in five.
LEVEL, POWER = 0.05, 0.8


def half_interval(sizes: tuple[int, int], spread: float, freedom: int) -> float:
    """Half of that of a difference of two means, at LEVEL: t(1 - LEVEL / 2) · spread · √(1/n + 1/m)."""
    from scipy.stats import t

    return t.ppf(1 - LEVEL / 2, freedom) * spread * math.sqrt(sum(1 / n for n in sizes))


def smallest_difference(sizes: tuple[int, int], spread: float, freedom: int) -> float:
    """Between two means: (t(1 - LEVEL / 2) + t(POWER)) · spread · √(1/n + 1/m)."""
    from scipy.stats import t

    return (t.ppf(1 - LEVEL / 2, freedom) + t.ppf(POWER, freedom)) * spread * math.sqrt(sum(1 / n for n in sizes))


def pooled_spread(groups: list[list[float]]) -> tuple[float, int]:
    """Standard deviation within groups, and its degrees of freedom, of which there must be one."""
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(statistics.variance(group) * (len(group) - 1) for group in groups if len(group) > 1)
    return math.sqrt(squares / freedom), freedom


def differences(trainings: dict[tuple, dict]) -> list[dict]:
    """Of every two sources on one task and supernet that have two genotypes at least; trainings: (task, supernet,
    source, seed, run) -> metrics. Errors in points, of each genotype the mean of its trainings after the last epoch."""
    cases: dict[tuple, dict] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for (task, supernet, source, seed, _), metrics in trainings.items():
        cases[task, supernet][source][seed].append(metrics)
    found = []
    for (task, supernet), sources in cases.items():
        several = {name: list(seeds.values()) for name, seeds in sources.items() if len(seeds) > 1}
        found += [{"task": task, "supernet": supernet, **pair} for pair in _pairs(several)]
    return found


def _pairs(sources: dict[str, list[list[dict]]]) -> list[dict]:
    errors = {name: _means(seeds, "error_last") for name, seeds in sources.items()}
    parameters = {name: statistics.fmean(_means(seeds, "parameters")) for name, seeds in sources.items()}
    if len(sources) < 2:
        return []
    spread, freedom = pooled_spread(list(errors.values()))
    pairs = []
    for first, second in combinations(sources, 2):
        sizes = (len(errors[first]), len(errors[second]))
        difference = statistics.fmean(errors[first]) - statistics.fmean(errors[second])
        half = half_interval(sizes, spread, freedom)
        pairs.append(
            {
                "sources": (first, second),
                "n": sizes,
                "difference": difference,
                "interval": (difference - half, difference + half),
                "smallest": smallest_difference(sizes, spread, freedom),
                "spread": spread,
                "parameters": parameters[first] / parameters[second],
            }
        )
    return pairs


def _means(seeds: list[list[dict]], key: str) -> list[float]:
    return [statistics.fmean(run[key] for run in runs) for runs in seeds]
