"""Whole architectures of NAS-Bench-201 by a score of the user, which rates gates: of each architecture those of its own
operations, summed."""

from collections.abc import Iterator
from pathlib import Path

import torch

from freedarts import search, tasks
from freedarts.architectures.synflow import live_edges
from freedarts.spaces.nasbench201 import from_index
from freedarts.spaces.nasbench201.networks import GatedNetwork
from freedarts.study.settings import gate_score


def scores(settings: dict, indices: list[int], seed: int, manifest: Path | None) -> Iterator[tuple[int, float]]:
    """(index, score), the arguments as of freedarts.architectures.scores.compute. 0 where no path leads from the image
    to the logits. InputError if the score does not keep to docs/extending.md."""
    score = gate_score(settings)
    batch = tasks.batch(**score.data, seed=seed, manifest=manifest) if score.data else None
    for index in indices:
        genotype = from_index(index)
        if not live_edges(genotype):
            yield index, 0.0
            continue
        torch.manual_seed(seed)
        _, found = search.compute(GatedNetwork(genotype, **settings["network"]), score, batch)
        yield index, found["cell"].sum().item()
