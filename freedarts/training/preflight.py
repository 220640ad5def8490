"""Preflight: steps of a training at the full batch, on random images, before the training is begun."""

import copy
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from freedarts.files import InputError
from freedarts.jobs.environment import Engine, device_name
from freedarts.jobs.memory import lacks, peak_memory
from freedarts.training.protocol import Protocol
from freedarts.training.steps import Steps, drop_path, optimizer

STEPS = 3  # the first, which also chooses the kernels, is not timed


def preflight(network: nn.Module, classes: int, protocol: Protocol, engine: Engine) -> dict:
    """Peak memory in MB above what was in use before, on each GPU, and images per second without reading images and
    without what several GPUs tell each other.

    *network* and all random states are left as they are. Raises InputError with the largest batch that fits where the
    protocol's does not.
    """
    device, each = engine.device, engine.processes
    share = -(-protocol.batch_size // each)
    measure = partial(_measure, network, classes, protocol)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        measured = _unless_memory_lacks(measure, share, engine)
        if measured is None:
            # Not compiled, which takes minutes a size: some more may fit.
            eager = replace(engine, compiled=False)
            largest = each * _largest(lambda batch: _unless_memory_lacks(measure, batch, eager) is not None, share)
            others = f"but {largest} do" if largest > each else f"nor do {2 * each}"
            raise InputError(
                f"protocol.batch_size: {protocol.batch_size} images do not fit into the memory of"
                f" {f'{each} x ' if each > 1 else ''}{device_name(device)}, {others}; another batch_size is another"
                " protocol and needs a task of its own"
            )
    peak, seconds = measured
    return {
        "batch_size": protocol.batch_size,
        "peak_memory_mb": round(peak, 1),
        "images_per_second": protocol.batch_size / seconds,
        "precision": "bf16" if engine.bf16 else "float32",
        "compiled": engine.compiled,
        "device": device_name(device),
        "processes": each,
    }


def _largest(fits: Callable[[int], bool], batch: int) -> int:
    """The largest batch below *batch*, which does not fit, that does; 1 where not even 2 images do."""
    low = 1
    while batch - low > 1:
        middle = (low + batch) // 2
        low, batch = (middle, batch) if fits(middle) else (low, middle)
    return low


def _unless_memory_lacks(
    measure: Callable[[int, Engine], tuple[float, float]], batch: int, engine: Engine
) -> tuple[float, float] | None:
    """What *measure* returns, or None if memory lacks; then all of it is free again: nothing holds the error."""
    if engine.device.type == "cuda":
        torch.cuda.empty_cache()
    try:
        return measure(batch, engine)
    except (RuntimeError, MemoryError) as error:
        if lacks(error):
            return None
        if engine.compiled and isinstance(error, torch._dynamo.exc.TorchDynamoException):
            reason = " ".join(str(error).strip().splitlines()[:2])
            raise InputError(
                f"torch.compile fails here ({reason}); `compile: false` in the task, or --compile no, trains without it"
            ) from error
        raise


def _measure(network: nn.Module, classes: int, protocol: Protocol, batch: int, engine: Engine) -> tuple[float, float]:
    """Peak memory in MB, and seconds of the quickest step but the first."""
    times, device = [], engine.device
    with peak_memory(device) as peak:
        trial = copy.deepcopy(network).to(device, memory_format=torch.channels_last).train()
        trial.drop_path = drop_path(protocol.drop_path, device)
        steps = Steps(trial, optimizer(trial, protocol), protocol, engine.bf16, engine.compiled)
        images, labels = torch.randn(batch, *network.image_shape), torch.randint(classes, (batch,))
        images, labels = images.to(device), labels.to(device)
        for _ in range(STEPS):
            start = time.perf_counter()
            _, loss, _ = steps.take(images, labels, protocol.learning_rate)
            loss.item()  # waits for the device
            times.append(time.perf_counter() - start)
    return peak.mb, min(times[1:])
