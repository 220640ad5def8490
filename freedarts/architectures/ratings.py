"""Architectures of NAS-Bench-201 by the scores of a search, which rate the operations of the supernet.

A search selects the operation with the highest score on each edge, so that of all architectures whose scores have the
highest sum. This sum ranks the others too.
"""

from functools import cache
from pathlib import Path

import numpy as np

from freedarts import genotype
from freedarts.files import InputError, read_json
from freedarts.spaces.nasbench201 import EDGES, NAME, OPERATIONS, cells

KEYS = ("space", "seed", "scores", "operations", "audit")


def read(path: Path) -> tuple[int, np.ndarray | None]:
    """The seed in the file of a search, and what its scores give; None after an overflow. InputError for a search that
    is broken, or on another space."""
    search = read_json(path, KEYS)
    found = genotype.derive(search, str(path))
    if found.space != NAME:
        raise InputError(f"{path}: is a search on {found.space}, expected {NAME}")
    return search["seed"], None if isinstance(found, genotype.Refused) else ratings(search["scores"]["cell"])


def ratings(scores: list[list[float]]) -> np.ndarray:
    """scores: (edges, operations). The sum of the scores of its operations for each architecture, float64 (15625,)."""
    return np.array(scores, float)[np.arange(len(EDGES)), _chosen()].sum(1)


@cache
def _chosen() -> np.ndarray:
    """The operation on each edge of each architecture (15625, edges)."""
    number = {name: place for place, name in enumerate(OPERATIONS)}
    return np.array([[number[name] for name in cell] for cell in cells()])
