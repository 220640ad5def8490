"""Scores of whole architectures of NAS-Bench-201 (zero-cost proxies; Abdelfattah et al., 2021): each is built alone, as
the benchmark's network without training, and gets one number, larger for better.

parameters, flops   counted; multiply-adds of convolutions and of the linear layer
synflow             sum of |w * dR/dw| over the weights, w positive, batch norm left out, an image of ones, float64
snip, grasp         sums of |w * dL/dw| and of -w * (H g) over the weights; L, the cross-entropy of a batch, has the
                    gradient g and the Hessian H; batch norm with the batch's statistics; float32
a file of the user  what it gives the gates of the architecture's operations, summed (docs/extending.md)

The weights are those of convolutions and of the linear layer, as PyTorch draws them for the seed.
"""

import importlib
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from freedarts import costs, plugins, tasks
from freedarts.architectures import synflow
from freedarts.files import InputError
from freedarts.jobs.checkpoints import Checkpoints, Interrupted, key
from freedarts.jobs.environment import check_seed
from freedarts.nasbench201 import SIZE, packaged
from freedarts.spaces.nasbench201 import EDGES, OPERATIONS, Genotype, from_index
from freedarts.spaces.nasbench201.networks import Network
from freedarts.study.code import code_digest

SAVED_EVERY = 2  # seconds
ON_GATES = "freedarts.architectures.gates"  # by name: what it imports is no code of the other scores
COMPARED = range(0, SIZE, 3_000)  # architectures, with the table of SynFlow

Scores = Iterator[tuple[int, float]]  # benchmark index and score


def sample(count: int, seed: int) -> list[int]:
    """The benchmark indices of *count* architectures. A larger sample of the same seed contains the smaller one."""
    if not 1 <= count <= SIZE:
        raise InputError(f"{count} architectures; allowed: 1 to {SIZE}")
    check_seed("seed", seed)
    indices = list(range(SIZE))
    random.Random(seed).shuffle(indices)
    return sorted(indices[:count])


def counts(indices: list[int], count: str, options: dict) -> Scores:
    """count: parameters or flops. Both are sums over the edges, so five architectures give those of all."""
    of_all = {name: costs.costs(Genotype((name,) * len(EDGES)), options)[count] for name in OPERATIONS}
    for index in indices:
        yield index, sum(of_all[name] for name in from_index(index).operations) // len(EDGES)


def snip(network: nn.Module, weights: list[Tensor], images: Tensor, labels: Tensor) -> float:
    loss = F.cross_entropy(network(images)[0], labels)
    # An edge that leads nowhere has weights without a gradient: zero.
    slopes = torch.autograd.grad(loss, weights, materialize_grads=True)
    return sum((weight * slope).abs().sum().item() for weight, slope in zip(weights, slopes, strict=True))


def grasp(network: nn.Module, weights: list[Tensor], images: Tensor, labels: Tensor) -> float:
    loss = F.cross_entropy(network(images)[0], labels)
    slopes = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
    product = sum((slope * slope.detach()).sum() for slope in slopes)
    curved = torch.autograd.grad(product, weights, materialize_grads=True)
    return -sum((weight * vector).sum().item() for weight, vector in zip(weights, curved, strict=True))


def on_batch(
    score: Callable[..., float], indices: list[int], seed: int, options: dict, data: dict, manifest: Path | None
) -> Scores:
    images, labels = tasks.batch(**data, seed=seed, manifest=manifest)
    for index in indices:
        torch.manual_seed(seed)
        network = Network(from_index(index), **options)
        weights = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        yield index, score(network, weights, images, labels)


def tabulated(indices: list[int], seed: int, options: dict) -> Scores | None:
    """SynFlow from the table in the package. None if that is of another seed or network, or if a few scores that are
    computed again differ, so that the table is not of this code."""
    if (seed, options) != (packaged.SYNFLOW_SEED, packaged.NETWORK):
        return None
    table = packaged.synflow()
    again = synflow.scores(COMPARED, seed, options)
    if not all(math.isclose(table[index], score, rel_tol=1e-9) for index, score in again):
        return None
    return ((index, float(table[index])) for index in indices)


def compute(settings: dict, indices: list[int], seed: int, manifest: Path | None = None) -> Scores:
    """settings: an entry of the configuration's architecture_scores; manifest: of its data set, if it has one."""
    proxy, options = settings["proxy"], settings["network"]
    match proxy:
        case "parameters" | "flops":
            return counts(indices, proxy, options)
        case "synflow":
            return tabulated(indices, seed, options) or synflow.scores(indices, seed, options)
    if plugins.is_own(proxy):
        return importlib.import_module(ON_GATES).scores(settings, indices, seed, manifest)
    return on_batch({"snip": snip, "grasp": grasp}[proxy], indices, seed, options, settings["data"], manifest)


def resumable(
    settings: dict, count: int, seed: int, data: Path | None, checkpoints: Path, stop: Callable[[], bool]
) -> dict[int, float]:
    """The scores of a sample, by benchmark index; those that *checkpoints* holds are not computed again.

    data: manifest of the data set, for those that are downloaded. Raises Interrupted when stop() says so, the scores
    so far being saved; a kill loses those of the last SAVED_EVERY seconds.
    """
    indices = sample(count, seed)
    modules = [f"freedarts.{name}" for name in ("architectures.scores", *_data_module(settings))]
    if plugins.is_own(settings["proxy"]):
        modules += [ON_GATES, plugins.source("scores", settings["proxy"])]
    about = json.dumps(settings, sort_keys=True), str(count), str(seed), tasks.identity(data)
    name = key(*about, code_digest(*modules))
    saved = Checkpoints(checkpoints / name)
    done = saved.load() or {}
    missing = [index for index in indices if index not in done]
    with tqdm(total=count, initial=len(done), unit="architecture", mininterval=1) as bar:
        last = time.monotonic()
        for index, score in compute(settings, missing, seed, data):
            done[index] = score
            bar.update()
            if stop():
                saved.save(done, len(done))
                raise Interrupted(f"stopped after {len(done)} of {count} architectures; the same command goes on")
            if time.monotonic() - last > SAVED_EVERY:
                saved.save(done, len(done))
                last = time.monotonic()
    saved.save(done, len(done))
    return {index: done[index] for index in indices}


def _data_module(settings: dict) -> list[str]:
    return [tasks.module(settings["data"]["dataset"])] if "data" in settings else []


def finite(scores: dict[int, float]) -> list[float | None]:
    """As JSON can hold them: None where a score left the range of the precision."""
    return [score if math.isfinite(score) else None for score in scores.values()]
