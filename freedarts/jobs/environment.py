"""What a job runs on, and what a result was made with."""

import argparse
import gc
import os
import platform
from dataclasses import dataclass
from numbers import Integral

import torch

from freedarts.files import VERSION, InputError
from freedarts.jobs import gpus, memory

# The ways to run a step (freedarts.training.steps); auto: the fastest that preflight finds.
AUTO = "auto"
EAGER, COMPILED, CAPTURED, BOTH = WAYS = ("eager", "compiled", "captured", "compiled-captured")
CAPTURES = (CAPTURED, BOTH)

_held = []  # the GPUs' slots, until the process ends


@dataclass(frozen=True)
class Engine:
    """What a training or a test runs on, and how."""

    device: torch.device
    bf16: bool = False
    way: str = EAGER  # to run a step, or AUTO
    processes: int = 1  # that share every batch, on a GPU each
    share: int = 1  # trainings that have the GPU together

    @property
    def shared(self) -> str:
        """What a message says of its memory."""
        return f", of which each of {self.share} trainings has its part (`share` in the task)" if self.share > 1 else ""


def add_options(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """The options that `engine` reads; several: whether more than one process makes sense."""
    if several:
        parser.add_argument("--gpus", type=int, default=0, help="0 (default): the CPU; more than 1: of this machine")
        parser.add_argument("--processes", type=int, default=1, help="on the CPU (default 1), to try several GPUs")
        parser.add_argument(
            "--share",
            type=int,
            default=1,
            help="trainings that have one GPU together, each with its part of the memory",
        )
        parser.add_argument(
            "--step", choices=(AUTO, *WAYS), default=AUTO, help="auto: on a GPU the fastest that is right"
        )
    else:
        parser.add_argument("--gpus", type=int, default=0, help="0 (default): the CPU; else one GPU")
    parser.add_argument(
        "--precision", choices=("auto", "bf16", "float32"), default="auto", help="auto: bf16 on a GPU that has it"
    )
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1); results depend on it")


def engine(arguments: argparse.Namespace, rank: int = 0) -> Engine:
    """Prepare this process for the options of `add_options`. rank: which of the processes it is that share the batches;
    the first takes the GPUs of all."""
    if arguments.gpus < 0:
        raise InputError(f"--gpus {arguments.gpus}; allowed: 0 and above")
    on_cpu = getattr(arguments, "processes", None)
    if on_cpu is not None and on_cpu < 1:
        raise InputError(f"--processes {on_cpu}; allowed: 1 and above")
    processes = (arguments.gpus or on_cpu) if on_cpu else 1
    share = getattr(arguments, "share", 1)
    if share < 1 or (share > 1 and arguments.gpus != 1):
        raise InputError(f"--share {share} (`share` in the task); allowed: 1 and, with --gpus 1, above")
    device = set_up("cuda" if arguments.gpus else "cpu", arguments.threads, processes, rank, fastest=True, share=share)
    way = getattr(arguments, "step", EAGER)
    if way in CAPTURES and (device.type != "cuda" or processes > 1):
        raise InputError(f"--step {way} (`step` in the task): needs one GPU; allowed here: auto, eager, compiled")
    if way == AUTO and device.type != "cuda":
        way = EAGER  # what compiling takes it does not save in small trainings
    return Engine(device, use_bf16(arguments.precision, device), way, processes, share)


def set_up(
    device: str, threads: int, processes: int = 1, rank: int = 0, fastest: bool = False, share: int = 1
) -> torch.device:
    """Prepare this process: *threads* of the CPU, whose results are then the same in every run; device: cpu or cuda,
    of which it takes one for each of *processes* that no other job on this machine has, unless it is not the first.
    fastest: kernels of a GPU are chosen by measuring them, and may add in any order; else they are those that give the
    same sums in every run, where there are such, and a line says where not. share: with how many jobs, this one
    counted, it has a GPU, and its memory.

    Raises InputError for a device that is not there.
    """
    if threads < 1:
        raise InputError(f"--threads {threads}; allowed: 1 and above")
    if device == "cuda":
        if rank == 0:
            _held.append(gpus.claim(processes, share=share))
        if not torch.cuda.is_available():
            raise InputError("no CUDA device is available; the same command runs on the CPU")
        torch.cuda.set_device(rank)
        if share > 1:  # beyond it memory lacks, which preflight finds out; the driver needs some for each process
            torch.cuda.set_per_process_memory_fraction(0.95 / share)
        torch.backends.cudnn.benchmark = fastest
        if not fastest:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
            torch.backends.cudnn.deterministic = True
            torch.set_deterministic_debug_mode("warn")
        # Else convolutions in float32 round their inputs to 10 bits of mantissa.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(threads)
    gc.freeze()  # what the imports made stays; else every full collection walks all of torch
    if device == "cpu":
        memory.keep_freed()
        # use_deterministic_algorithms would also import the compiler, which takes a second.
        torch.set_deterministic_debug_mode("error")
    return torch.device(device, rank) if processes > 1 and device == "cuda" else torch.device(device)


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether to train with bfloat16; precision: bf16, float32, or auto, which takes it on the GPUs that have it."""
    if precision == "bf16" and device.type != "cuda":
        # oneDNN's gradients of dilated depthwise convolutions with channels last are wrong in it.
        raise InputError("--precision bf16 (`precision` in the task): needs a GPU; allowed on the CPU: auto, float32")
    return precision == "bf16" or (
        precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )


def check_seed(name: str, seed: object) -> None:
    if not isinstance(seed, Integral) or not 0 <= seed < 2**32:
        raise InputError(f"{name} {seed!r}; allowed: 0 to {2**32 - 1}")


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({platform.machine()})"


def versions() -> dict[str, str]:
    return {"freedarts": VERSION, "python": platform.python_version(), "torch": torch.__version__}
