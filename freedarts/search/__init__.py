"""One-shot search: score every gate of an untrained supernet once, and audit the scores.

The audit asks whether the scores are numbers or noise: it computes them a second time in a way that exact arithmetic
could not tell from the first, and looks for an intermediate value that has left the range of the precision.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from freedarts import genotype, plugins, spaces, tasks
from freedarts.files import InputError
from freedarts.jobs.environment import check_seed, device_name, versions
from freedarts.jobs.memory import give_back_freed, peak_memory
from freedarts.layers.frozen import frozen
from freedarts.scores import Score
from freedarts.search import contract

CPU = torch.device("cpu")
TOLERANCE = 1e-2  # of the largest score

Batch = tuple[Tensor, Tensor | None]  # images (N, 3, H, W) and labels (N,)


def build(space: str, options: dict, seed: int) -> nn.Module:
    """The supernet with the release's weights and gate draws for *seed*, on the CPU."""
    _check_options(space, options)
    check_seed("seed", seed)
    torch.manual_seed(seed)
    module = spaces.load(space)
    supernet = module.supernet(**options)
    contract.check_supernet(supernet, module)
    return supernet


def _check_options(space: str, options: object) -> None:
    """Raise InputError unless *options* are those of a supernet of *space*."""
    if not isinstance(options, dict):
        raise InputError(f"{space}: options {options!r}; allowed: a mapping, as under `supernets` in the configuration")
    missing = [f"{key}: no such key" for key in ("image_size", "classes") if key not in options]
    for fault in missing or spaces.option_faults(space, options):
        raise InputError(f"{space}: {fault}")


def ones(supernet: nn.Module) -> Batch:
    """SynFlow's image."""
    return torch.ones(1, *supernet.image_shape), None


def draw(supernet: nn.Module, score: Score, classes: int, seed: int, space: str, manifest: Path | None = None) -> Batch:
    """The batch of *seed*, on the CPU; the release's draw goes on where torch's generator stands when the supernet has
    been built. InputError if it does not fit the supernet."""
    if score.data is None:
        return ones(supernet)
    name = score.data["dataset"]
    if score.released:
        spaces.check_released(space)
        images, labels = spaces.load(space).released_batch(tasks.load(name, manifest), score.data["batch_size"])
    else:
        images, labels = tasks.batch(**score.data, seed=seed, manifest=manifest)
    if images.shape[1:] != supernet.image_shape:
        raise InputError(
            f"{name}: images of shape {tuple(images.shape[1:])}, the supernet takes {supernet.image_shape}"
        )
    if wrong := [label for label in labels.tolist() if not 0 <= label < classes]:
        raise InputError(f"{name}: label {wrong[0]}; allowed in a supernet of {classes} classes: 0 to {classes - 1}")
    return images, labels


@contextmanager
def prepared(
    supernet: nn.Module, score: Score, images: Tensor, precision: str, jitter: int | None = None
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Inside, *supernet* has the score's weights, layers and *precision*; afterwards it is as it was.

    Yields the images and the gates. With *jitter*, a seed, every weight is multiplied by 1 + u * 2**-50, u drawn from
    {-1, 0, 1}: a change of the order of double precision's own rounding.
    """
    dtype, device = getattr(torch, precision), next(supernet.parameters()).device
    generator = None if jitter is None else torch.Generator().manual_seed(jitter)

    def weight(tensor: Tensor) -> Tensor:
        tensor = tensor.to(dtype).abs() if score.positive_weights else tensor.to(dtype)
        if generator is None:
            return tensor
        u = torch.randint(-1, 2, tensor.shape, generator=generator, dtype=torch.int8)
        return tensor * (1 + u.to(tensor) * 2.0**-50)

    gates = {}
    for group, draws in supernet.gate_draws.items():
        gate = score.gate_scale * draws if score.gates == "normal" else torch.ones_like(draws)
        gate = gate.abs() if score.positive_gates else gate
        gates[group] = gate.to(device, dtype).requires_grad_()
    with frozen(supernet, score.batch_norm, weight, score.activation, len(images)):
        yield images.to(device, dtype), gates


def compute(
    supernet: nn.Module,
    score: Score,
    batch: Batch | None = None,
    precision: str | None = None,
    jitter: int | None = None,
):
    """Objective and scores of *supernet*, which is left as it was. *batch* is an image of ones if it is None.

    Returns (float, {gate group: (edges, operations) on the CPU, in the precision of the computation}).
    """
    images, labels = batch or ones(supernet)
    with prepared(supernet, score, images, precision or score.precision, jitter) as (images, gates):
        labels = None if labels is None else labels.to(images.device)
        own = plugins.is_own(score.proxy)
        with contract.unchanged(score.proxy, supernet, gates) if own else nullcontext():
            returned = score.module().score(supernet, gates, images, labels, **score.arguments)
        objective, scores = contract.check_scores(score.proxy, returned, gates)
        return objective.item(), {group: matrix.detach().cpu() for group, matrix in scores.items()}


@contextmanager
def watched(supernet: nn.Module, score: Score) -> Iterator[list[str]]:
    """Inside, a pass through *supernet* looks for a value that has left the range of the precision: the list then has
    the name of the first module with a non-finite output or batch variance, if there is one. Only the first pass does,
    unless the score is the user's own, of which it is not known that the others compute the same."""
    names: list[str] = []

    def look(name: str):
        def hook(module: nn.Module, inputs: tuple, output: Tensor | list[Tensor]) -> None:
            if names:
                return
            values = [output] if isinstance(output, Tensor) else output
            finite = all(math.isfinite(_size(value.detach())) for value in values)
            if finite and isinstance(module, nn.BatchNorm2d) and score.batch_norm == "train":
                finite = _has_variance(inputs[0].detach())
            if not finite:
                names.append(name)

        return hook

    def stop(*_) -> None:
        for handle in handles:
            handle.remove()

    # The output of a sequence is that of its last module.
    modules = [(name, module) for name, module in supernet.named_modules() if type(module) is not nn.Sequential]
    handles = [module.register_forward_hook(look(name)) for name, module in modules if name]
    if not plugins.is_own(score.proxy):
        handles.append(supernet.register_forward_hook(stop))
    try:
        yield names
    finally:
        stop()


def _size(values: Tensor) -> float:
    """The largest absolute value, NaN if there is one: one pass, where isfinite makes four."""
    low, high = torch.aminmax(values)
    return torch.maximum(low.abs(), high.abs()).item()


def _has_variance(x: Tensor) -> bool:
    """Whether the variance of each channel is finite; surely if the sum of all squares is."""
    if _size(x) ** 2 * x.numel() < torch.finfo(x.dtype).max:
        return True
    return bool(x.var((0, 2, 3), unbiased=False).isfinite().all())


def audit(
    supernet: nn.Module,
    score: Score,
    batch: Batch,
    seed: int,
    scores: dict[str, Tensor],
    space: str,
    overflow: str | None = None,
) -> dict:
    """Judge *scores*: `overflow`, `sound` (the second computation differs by at most TOLERANCE of the largest score
    and gives the same genotype) or `noise`. overflow: the module that was found while they were computed (`watched`).

    Returns verdict, second (how the scores were computed again), overflow (the first module with a value that is not
    finite, or None), largest and largest_second (largest absolute score of either computation), difference (largest
    absolute difference, as a share of the largest score), agreement ({gate group: entries that both genotypes share})
    and seconds."""
    start = time.perf_counter()
    give_back_freed()
    if score.precision == "float32":
        method, (_, second) = "float64", compute(supernet, score, batch, "float64")
    else:
        method, (_, second) = "float64, every weight times 1 + u * 2^-50", compute(supernet, score, batch, jitter=seed)
    if overflow is None and not all(matrix.isfinite().all() for matrix in scores.values()):
        if plugins.is_own(score.proxy):  # an overflow of float32 is none in float64
            contract.check_finite(score.proxy, second, spaces.load(space).OPERATIONS)
        overflow = "the gradients of the gates"
    result = {"verdict": "overflow", "second": method, "overflow": overflow}
    result |= dict.fromkeys(("largest", "largest_second", "difference", "agreement"))
    if overflow is None:
        scores = {group: matrix.double() for group, matrix in scores.items()}
        second = {group: matrix.double() for group, matrix in second.items()}
        largest = _largest(scores)
        # Scores that are all zero rank nothing: they are no better than noise.
        difference = (
            _largest({group: scores[group] - second[group] for group in scores}) / largest if largest else math.inf
        )
        module = spaces.load(space)
        derived = [spaces.derive(module, {g: m.tolist() for g, m in found.items()}) for found in (scores, second)]
        sound = difference <= TOLERANCE and derived[0] == derived[1]
        result |= {
            "verdict": "sound" if sound else "noise",
            "largest": largest,
            "largest_second": _finite(_largest(second)),
            "difference": _finite(difference),
            "agreement": genotype.agreement(*derived),
        }
    return result | {"seconds": time.perf_counter() - start}


def _largest(matrices: dict[str, Tensor]) -> float:
    return torch.cat([matrix.flatten() for matrix in matrices.values()]).abs().max().item()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def search(
    space: str, options: dict, score: Score, seed: int, device: torch.device = CPU, manifest: Path | None = None
) -> dict:
    """Score every gate of an untrained supernet once, with the proxy's formula, and audit the scores.

    options: size of the supernet of *space*, as under `supernets` in the configuration. seed: of the weights, the gates
    and the batch, 0 to 2**32 - 1. manifest: of the score's data set, if that is downloaded or
    a folder.

    Returns the contents of `scores.json`, but for the names: objective (float), scores ({gate group: a row per edge of
    a float per operation}; None after an overflow), operations (their order), audit (as `audit` returns it), seconds
    (of scoring, without the second computation), peak_memory_mb (above what the process held before). InputError where
    score, data and supernet do not fit together.
    """
    if not isinstance(score, Score):
        raise InputError(f"score {score!r}; allowed: a Score, such as Score.preset('synflow')")
    for name, value, allowed in (("device", device, torch.device), ("manifest", manifest, Path | None)):
        if not isinstance(value, allowed):
            raise InputError(f"{name} {value!r}; allowed: {getattr(allowed, '__name__', allowed)}")
    _check_options(space, options)
    score.check_supernet(space, **options, datasets=tasks.known(manifest))
    supernet = build(space, options, seed).to(device)
    batch = draw(supernet, score, options["classes"], seed, space, manifest)
    with peak_memory(device) as peak, watched(supernet, score) as overflows:
        start = time.perf_counter()
        objective, scores = compute(supernet, score, batch)
        seconds = time.perf_counter() - start
    verdict = audit(supernet, score, batch, seed, scores, space, next(iter(overflows), None))
    overflow = verdict["verdict"] == "overflow"
    return {
        "space": space,
        "proxy": score.proxy,
        "objective": None if overflow else objective,
        "scores": None if overflow else {group: matrix.double().tolist() for group, matrix in scores.items()},
        "operations": list(spaces.load(space).OPERATIONS),
        "audit": verdict,
        "seconds": seconds,
        "peak_memory_mb": peak.mb,
        "device": device_name(device),
        "versions": versions(),
    }
