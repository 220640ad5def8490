"""Peak memory of a stretch of work, and what is said where there is too little."""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


class Peak:
    """mb: the peak above what was in use before, in MB (2**20 bytes)."""

    mb: float = 0.0


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    peak = Peak()
    read = watch(device)
    yield peak
    peak.mb = read()


def watch(device: torch.device) -> Callable[[], float]:
    """From now on: what is returned reads the peak above what is in use now, in MB. On Linux exact, by resetting the
    kernel's peak mark; elsewhere what the process's peak grew by."""
    if device.type == "cuda":
        torch.cuda.init()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        return lambda: (torch.cuda.max_memory_allocated(device) - before) / 2**20
    before = _resident(reset=True)
    return lambda: max(0.0, _resident(reset=False) - before)


def lacks(error: Exception) -> bool:
    """Whether *error* says that the memory of the device does not suffice; torch, CUDA, cuDNN and cuBLAS say it each in
    its own words."""
    phrases = ("DefaultCPUAllocator", "out of memory", "_STATUS_ALLOC_FAILED")
    return isinstance(error, MemoryError) or any(phrase in str(error) for phrase in phrases)


def _resident(reset: bool) -> float:
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
