"""Peak memory of a stretch of work, and what is said where there is too little."""

import ctypes
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


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
    give_back_freed()
    before = _resident(reset=True)
    return lambda: max(0.0, _resident(reset=False) - before)


def keep_freed() -> None:
    """Have the C library use freed blocks again. glibc gives large ones back at once, and the kernel clears every page
    that it hands out anew, which took a fifth of the time of a GraSP search. Elsewhere nothing happens."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


def give_back_freed() -> None:
    """Once; so that blocks of other sizes do not have to lie between those that were freed."""
    if malloc_trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        malloc_trim(0)


def lacks(error: Exception) -> bool:
    """Whether *error* says that the memory of the device does not suffice; torch, CUDA, cuDNN and cuBLAS say it each in
    its own words. torch, which tries one kernel of cuDNN after the other, says in the end only that there was none."""
    phrases = ("DefaultCPUAllocator", "out of memory", "_STATUS_ALLOC_FAILED", "_ALLOCATION_FAILED")
    phrases += ("unable to find an engine to execute this computation",)
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
