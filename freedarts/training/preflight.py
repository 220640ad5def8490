"""Preflight: steps of a training at the full batch, on random images, before the training is begun.

It measures memory and speed of each way to run a step. A way must be right: in float32 its loss, its gradients and the
change of the weights must be those of an eager step. How near, depends on the network: one of 20 cells amplifies
rounding so much that gradients of two eager steps, with channels first and last, are some percent apart. So BOUND or
TIMES that distance is allowed; and in the training's own precision BOUND or TIMES the distance of an eager step in it.
"""

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from freedarts.files import InputError
from freedarts.jobs.checkpoints import Interrupted
from freedarts.jobs.environment import AUTO, CAPTURES, EAGER, WAYS, Engine, device_name
from freedarts.jobs.memory import lacks, peak_memory
from freedarts.training.protocol import Protocol
from freedarts.training.steps import WARM_UP, Counters, CudaGraph, Steps, drop_path, optimizer

BOUND, TIMES = 1e-2, 3  # relative, in the Euclidean norm
SAME = WARM_UP + 2  # steps with a rate of 0, which leave the weights as they are; the last is recorded and taken again
TIMED = {"cpu": 2, "cuda": 20}


@dataclass
class Trial:
    """Of one way. results: loss, gradients and the change of the weights, each as one vector."""

    results: list[Tensor]
    peak_mb: float
    seconds: float  # of a step

    def distance(self, other: "Trial") -> float:
        pairs = zip(self.results, other.results, strict=True)
        return max(((a - b).norm() / b.norm().clamp_min(1e-12)).item() for a, b in pairs)


class _Preflight:
    def __init__(self, network: nn.Module, classes: int, protocol: Protocol, engine: Engine, recorder: type):
        self.network, self.classes, self.protocol, self.engine = network, classes, protocol, engine
        self.recorder, self.device = recorder, engine.device
        self.same = 1 if engine.way == EAGER else SAME

    def trial(
        self, way: str, bf16: bool, batch: int, layout: torch.memory_format = torch.channels_last
    ) -> Trial | None:
        """None if memory lacks; then all of it is free again: nothing holds the error."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            return self._trial(way, bf16, batch, layout)
        except (RuntimeError, MemoryError) as error:
            if lacks(error):
                return None
            raise

    def _trial(self, way: str, bf16: bool, batch: int, layout: torch.memory_format) -> Trial:
        protocol, device = self.protocol, self.device
        with peak_memory(device) as peak:
            network = copy.deepcopy(self.network).to(device, memory_format=layout).train()
            network.drop_path = drop_path(protocol, device)
            if network.drop_path is not None:
                network.drop_path.fill_(protocol.drop_path)
            Counters(network, device)
            sgd = optimizer(network, protocol, way)
            steps = Steps(network, sgd, protocol, bf16, way, layout, self.recorder)
            torch.manual_seed(0)
            images, labels = torch.randn(batch, *network.image_shape), torch.randint(self.classes, (batch,))
            images, labels = images.to(device), labels.to(device)
            for _ in range(self.same):
                torch.manual_seed(1)  # the same masks in each step
                loss = steps.take(images, labels, 0.0)[2].double()
            gradients = _vector(parameter.grad for parameter in network.parameters() if parameter.grad is not None)
            before = _vector(network.parameters())
            torch.manual_seed(1)
            steps.take(images, labels, protocol.learning_rate)
            results = [loss.view(1), gradients, _vector(network.parameters()) - before]
            results[0].item()  # waits for the device
            start = time.perf_counter()
            for _ in range(TIMED[device.type]):
                total = steps.take(images, labels, protocol.learning_rate)[2]
            total.item()
            seconds = (time.perf_counter() - start) / TIMED[device.type]
        return Trial([result.cpu() for result in results], peak.mb, seconds)


def _vector(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors])


def preflight(
    network: nn.Module,
    classes: int,
    protocol: Protocol,
    engine: Engine,
    stop: Callable[[], bool] = lambda: False,
    recorder: type = CudaGraph,
) -> dict:
    """The way to run a step that engine asks for or, where it leaves that open, the fastest that is right; and of each
    that was tried peak memory in MB above what was in use before, on each GPU, and images per second, without reading
    images and without what several GPUs tell each other. Every way that is dropped is printed with its reason.

    *network* and all random states are left as they are. Raises InputError with the largest batch that fits where the
    protocol's does not, and where the way that is asked for fails; Interrupted when stop() turns true.
    """
    trials = _Preflight(network, classes, protocol, engine, recorder)
    with torch.random.fork_rng(devices=[engine.device] if engine.device.type == "cuda" else []):
        measured = _measure(trials, stop)
    way = min(measured, key=lambda way: measured[way].seconds)
    speed = {name: round(protocol.batch_size / trial.seconds, 1) for name, trial in measured.items()}
    peaks = {name: round(trial.peak_mb, 1) for name, trial in measured.items()}
    return {
        "batch_size": protocol.batch_size,
        "step": way,
        "peak_memory_mb": peaks[way],
        "images_per_second": speed[way],
        "steps": {name: {"images_per_second": speed[name], "peak_memory_mb": peaks[name]} for name in measured},
        "precision": "bf16" if engine.bf16 else "float32",
        "device": device_name(engine.device),
        "processes": engine.processes,
    }


def _measure(trials: _Preflight, stop: Callable[[], bool]) -> dict[str, Trial]:
    """Of each way that may be taken and is right."""
    engine, forced = trials.engine, trials.engine.way != AUTO
    share = -(-trials.protocol.batch_size // engine.processes)
    eager = trials.trial(EAGER, engine.bf16, share)
    if eager is None:
        raise _too_large(trials, share)
    if engine.way == EAGER:
        return {EAGER: eager}
    right = _right(trials, share, eager)
    measured = {} if forced else {EAGER: eager}
    for way in [engine.way] if forced else [way for way in WAYS[1:] if way not in CAPTURES or engine.processes == 1]:
        if stop():
            raise Interrupted("stopped in its preflight")
        fault, trial = _fault(trials, way, share, right, stop)
        if fault and forced:
            raise InputError(f"--step {way} (`step` in the task): {fault}; `auto` takes what runs here")
        if fault:
            print(f"steps are not {way}: {fault}", flush=True)
        else:
            measured[way] = trial
    return measured


def _right(trials: _Preflight, share: int, eager: Trial) -> list[tuple[bool, Trial, float]]:
    """What a way is compared with: precision (bf16), the eager step in float32, and the distance that is allowed. Empty
    if memory lacks for it."""
    exact = trials.trial(EAGER, False, share) if trials.engine.bf16 else eager
    other = exact and trials.trial(EAGER, False, share, torch.contiguous_format)
    if not other:
        return []
    right = [(False, exact, max(BOUND, TIMES * other.distance(exact)))]
    return right + ([(True, exact, max(BOUND, TIMES * eager.distance(exact)))] if trials.engine.bf16 else [])


def _fault(
    trials: _Preflight, way: str, share: int, right: list[tuple[bool, Trial, float]], stop: Callable[[], bool]
) -> tuple[str | None, Trial | None]:
    """What is wrong with a way, in a line, or its trial in the training's precision."""
    if not right:
        return "an eager step in float32, which it is compared with, does not fit into the memory", None
    for bf16, exact, allowed in right:
        try:
            trial = trials.trial(way, bf16, share)
        except Exception as error:  # of a compiler, of a driver: whatever it is, there is another way
            if stop():
                raise
            return " ".join(f"{type(error).__name__}: {error}".split())[:300], None
        if trial is None:
            return "the memory does not suffice", None
        if not (distance := trial.distance(exact)) <= allowed:
            name = "bfloat16" if bf16 else "float32"
            return f"in {name} it is {distance:.1e} off an eager step in float32; allowed: {allowed:.1e}", None
    return None, trial


def _too_large(trials: _Preflight, share: int) -> InputError:
    engine, size = trials.engine, trials.protocol.batch_size
    each = engine.processes
    fits = partial(trials.trial, EAGER, engine.bf16)
    largest = each * _largest(lambda batch: fits(batch) is not None, share)
    others = f"but {largest} do" if largest > each else f"nor do {2 * each}"
    return InputError(
        f"protocol.batch_size: {size} images do not fit into the memory of"
        f" {f'{each} x ' if each > 1 else ''}{device_name(engine.device)}{engine.shared}, {others}; another batch_size"
        " is another protocol and needs a task of its own"
    )


def _largest(fits: Callable[[int], bool], batch: int) -> int:
    """The largest batch below *batch*, which does not fit, that does; 1 where not even 2 images do."""
    low = 1
    while batch - low > 1:
        middle = (low + batch) // 2
        low, batch = (middle, batch) if fits(middle) else (low, middle)
    return low
