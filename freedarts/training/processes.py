"""Several processes of this machine that train one network: each takes its share of every batch, and the gradients are
averaged by torch's DistributedDataParallel.

The job's own process is the first, rank 0. It starts the others with its own command when all input has been checked,
and they end with it.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from freedarts.files import InputError
from freedarts.jobs.checkpoints import Interrupted, StopSignals
from freedarts.jobs.driver import end_with_parent

RANK, PORT = "FREEDARTS_RANK", "FREEDARTS_PORT"  # environment of the processes that rank 0 starts
PATIENCE = timedelta(hours=1)  # of those that wait while rank 0 tests the network


def rank() -> int:
    return int(os.environ.get(RANK, 0))


@dataclass(frozen=True)
class Group:
    """The processes of one training; all must call each method in the same order."""

    rank: int = 0
    size: int = 1

    def part(self, batch: Tensor) -> Tensor:
        """This process's share of a batch's indices; the shares differ by one at most."""
        return batch.tensor_split(self.size)[self.rank]

    def gather(self, value: object) -> list:
        """The values of all, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def share(self, value: object) -> object:
        """The value of rank 0."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values)
        return values[0]

    def largest(self, number: int) -> int:
        if self.size == 1:
            return number
        shared = torch.tensor(number)  # on the CPU, so that no one waits for a GPU
        dist.all_reduce(shared, dist.ReduceOp.MAX)
        return int(shared)

    def wrap(self, network: nn.Module) -> nn.Module:
        """*network* with gradients that are the mean over the processes; each has its own batch norm statistics."""
        if self.size == 1:
            return network
        # A genotype may have operations that lead nowhere: static_graph finds them in the first step.
        wrapped = nn.parallel.DistributedDataParallel(network, static_graph=True)
        # As an argument torch 2.14 deprecates it, and 2.11 does not have the new one.
        wrapped.broadcast_buffers = False
        return wrapped


ALONE = Group()


@contextmanager
def joined(size: int, device: torch.device) -> Iterator[Group]:
    """The group of *size* processes with this one in it, which others are started for if it is the first."""
    if size == 1:
        yield ALONE
        return
    others, leaving = [], threading.Event()
    if rank() == 0:
        store = dist.TCPStore("localhost", 0, size, is_master=True, wait_for_workers=False)
        others = [_start(number, store.port) for number in range(1, size)]
        threading.Thread(target=_end_with_failed, args=[others, leaving], daemon=True).start()
    else:
        end_with_parent(signal.SIGKILL)
        store = dist.TCPStore("localhost", int(os.environ[PORT]), size, is_master=False)
    try:
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank(), world_size=size, timeout=PATIENCE)
        yield Group(rank(), size)
    except (InputError, OSError):
        leaving.set()
        for other in others:  # they may wait in a collective call for this one
            other.kill()
        raise
    except Interrupted:
        raise
    except RuntimeError:
        time.sleep(5)  # where another process has failed, it says why, and this one is ended in the meantime
        raise
    else:
        dist.destroy_process_group()
    finally:
        leaving.set()
        for other in others:
            _end(other)


def _start(number: int, port: int) -> subprocess.Popen:
    """This process's command again. It may be told to stop as soon as it lives, so it starts with these signals held
    back; StopSignals lets them through."""
    environment = {**os.environ, RANK: str(number), PORT: str(port)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, StopSignals.NUMBERS)
    try:
        return subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env=environment)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(process: subprocess.Popen) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_with_failed(others: list[subprocess.Popen], leaving: threading.Event) -> None:
    """End this process, which may wait in vain in a collective call, when one of *others* has failed; not when it is
    *leaving* and ends them itself, with its own message."""
    while not leaving.wait(0.1):
        for number, other in enumerate(others, start=1):
            status = other.poll()
            if (status == 1 or (status is not None and status < 0)) and not leaving.is_set():
                if status < 0:
                    print(f"error: process {number} of the training got signal {-status}", file=sys.stderr, flush=True)
                for process in others:
                    process.kill()
                os._exit(1)
