"""What a job runs on, and what a result was made with."""

import gc
import platform

import torch

import freedarts
from freedarts import slots
from freedarts.files import InputError

_held = []  # the GPU's slot, until the process ends


def set_up(device: str, threads: int) -> torch.device:
    """Prepare this process: *threads* of the CPU, whose results are then the same in every run; device: cpu or cuda,
    of which it takes one that no other job on this machine has.

    Raises InputError for a device that is not there.
    """
    if threads < 1:
        raise InputError(f"--threads {threads}; allowed: 1 and above")
    if device == "cuda":
        _held.append(slots.claim())
        if not torch.cuda.is_available():
            raise InputError("no CUDA device is available; the same command runs on the CPU")
        torch.backends.cudnn.benchmark = True
    torch.set_num_threads(threads)
    gc.freeze()  # what the imports made stays; else every full collection walks all of torch
    if device == "cpu":
        # use_deterministic_algorithms would also import the compiler, which takes a second.
        torch.set_deterministic_debug_mode("error")
    return torch.device(device)


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether to train with bfloat16; precision: bf16, float32, or auto, which takes it on the GPUs that have it."""
    return precision == "bf16" or (
        precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )


def check_seed(name: str, seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise InputError(f"{name} {seed}; allowed: 0 to {2**32 - 1}")


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({platform.machine()})"


def versions() -> dict[str, str]:
    return {"freedarts": freedarts.__version__, "python": platform.python_version(), "torch": torch.__version__}
