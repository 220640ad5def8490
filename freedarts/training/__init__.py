"""Training of a final network by a protocol: loop and test, resumable at any step."""

import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from freedarts.files import InputError
from freedarts.jobs import memory
from freedarts.jobs.checkpoints import Checkpoints, Interrupted
from freedarts.jobs.environment import EAGER
from freedarts.tasks import Data
from freedarts.training.processes import ALONE, Group
from freedarts.training.protocol import Protocol
from freedarts.training.steps import Counters, Steps, drop_path, optimizer

SAVE_EVERY = 600  # seconds between checkpoints within an epoch
SAVE_EPOCH = 60, 100  # at its end, if so many seconds have passed, or so many times what a checkpoint takes
GO_ON, SAVE, STOP = range(3)  # what the processes of a training agree on after each step


@dataclass(frozen=True)
class Job:
    """What surrounds a training: who keeps its state, stops it, hears of it and shares its batches. By default no one.

    In a *group* of processes every one has its job alike, checkpoints apart, which rank 0 has.
    """

    checkpoints: Checkpoints | None = None
    stop: Callable[[], bool] = lambda: False  # asked between batches, those of a test too
    progress: Callable[[Iterable[int]], Iterable[int]] = iter  # wraps the epochs to come, to show them
    # Before the first epoch and after each: gets the history, and the peak memory so far, in MB above what was in use
    # before, of the process that used most.
    report: Callable[[list[dict], float], None] = lambda history, peak_mb: None
    # After each step: epoch, step, of how many, and a function that gives the mean loss and the seconds of the epoch so
    # far, of this process; it waits for the device.
    within: Callable[[int, int, int, Callable[[], tuple[float, float]]], None] = lambda *where: None
    group: Group = ALONE


ON_ITS_OWN = Job()


def train(
    network: nn.Module,
    data: Data,
    protocol: Protocol,
    seed: int,
    device: torch.device,
    bf16: bool = False,
    way: str = EAGER,
    job: Job = ON_ITS_OWN,
) -> list[dict]:
    """Train *network* in place and test it after every epoch. Returns the history, one row an epoch: errors in percent,
    mean losses, seconds of wall time. bf16: automatic mixed precision with bfloat16; way: to run the
    steps of whole batches (freedarts.training.steps).

    With job.checkpoints it goes on where the last one stands, and saves at the end of an epoch (SAVE_EPOCH), of the
    last in any case, every SAVE_EVERY seconds and when job.stop() turns true; then it raises Interrupted. InputError if
    a loss is not finite. In a job.group rank 0 alone tests the network and has the whole history.
    """
    return _Training(network, data, protocol, seed, device, bf16, way, job).run()


@dataclass
class State:
    """Where a training stands: the next step of an epoch, what this process summed up in it, and the history."""

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    wrong: int = 0
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)
    peak_mb: float = 0.0  # of memory, of the process that used most


class Sums:
    """What this process sums up in an epoch, from where *state* stands on; on the device, so that no step waits for the
    one before."""

    def __init__(self, state: State, device: torch.device):
        self._loss, self._wrong = (torch.tensor(value, device=device) for value in (state.loss, state.wrong))
        self._start = time.perf_counter() - state.seconds

    def add(self, logits: Tensor, loss: Tensor, labels: Tensor) -> None:
        self._loss += loss * len(labels)
        self._wrong += (logits.argmax(1) != labels).sum()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    def note(self, state: State) -> None:
        state.loss, state.wrong = self._loss.item(), self._wrong.item()
        state.seconds = self.seconds  # the device has finished


class _Training:
    """A training at work: `run` is the loop of epochs, `_train` that of the steps of one."""

    def __init__(
        self,
        network: nn.Module,
        data: Data,
        protocol: Protocol,
        seed: int,
        device: torch.device,
        bf16: bool,
        way: str,
        job: Job,
    ):
        self.peak = memory.watch(device)
        self.protocol, self.seed, self.device, self.bf16, self.job = protocol, seed, device, bf16, job
        rank = job.group.rank
        torch.manual_seed(zlib.crc32(f"rank {rank} {seed}".encode()) if rank else seed)
        self.network = network.to(device, memory_format=torch.channels_last)
        self.data = data.to(device)
        self.images = len(data.train_labels)
        self.steps_per_epoch = math.ceil(self.images / protocol.batch_size)
        self.optimizer = optimizer(network, protocol, way)
        self.state = State()
        if saved := job.group.share(job.checkpoints and job.checkpoints.load()):
            self._restore(saved)
            del saved  # it is as large as the network with its momentum
        self.saved_at, self.saving = time.perf_counter(), 0.0  # seconds that a checkpoint takes
        network.drop_path = drop_path(protocol, device)
        self.counters = Counters(network, device)
        self.steps = Steps(job.group.wrap(network), self.optimizer, protocol, bf16, way)

    def run(self) -> list[dict]:
        self.job.report(self.state.history, self.state.peak_mb)
        for epoch in self.job.progress(range(self.state.epoch, self.protocol.epochs)):
            sums = Sums(self.state, self.device)
            self._train(epoch, sums)
            row = self._row(epoch)
            if tested := self._test(epoch):
                row |= tested | {"seconds": sums.seconds}
                _check_finite(row)
            self.state = State(epoch + 1, history=[*self.state.history, row], peak_mb=self._peak())
            if self._due_at_end(epoch):
                self._save()
            self.job.report(self.state.history, self.state.peak_mb)
        self.counters.show(self._steps())
        return self.state.history

    def _train(self, epoch: int, sums: Sums) -> None:
        """The steps of *epoch* that are still to do."""
        self.network.train()
        if self.network.drop_path is not None:
            self.network.drop_path.fill_(self.protocol.drop_path_at(epoch))
        for inputs, labels, size in self._batches(epoch):
            rate = self.protocol.learning_rate_at(epoch, self.state.step, self.images)
            weight = self.job.group.size * len(labels) / size
            logits, loss, _ = self.steps.take(inputs, labels, rate, weight, whole=size == self.protocol.batch_size)
            sums.add(logits, loss, labels)
            self.state.step += 1
            self.job.within(epoch, self.state.step, self.steps_per_epoch, partial(self._so_far, sums))
            if order := self._order():
                sums.note(self.state)
                self._save()
                if order == STOP:
                    raise Interrupted(f"stopped in epoch {epoch}, step {self.state.step} of {self.steps_per_epoch}")
        sums.note(self.state)

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, int]]:
        """This process's share of the batches that are still to do: inputs, labels, and the size of the whole batch."""
        size = self.protocol.batch_size
        drawn = self.data.epoch(self.seed, epoch, size, self.protocol.reshuffle)
        # Copied to where the labels are at once: a copy to a GPU in each step would wait for the step before.
        batches = drawn.order.to(self.data.train_labels.device).split(size)[self.state.step :]
        shares = drawn.batches(map(self.job.group.part, batches))
        for batch, (inputs, labels) in zip(batches, shares, strict=True):
            yield inputs, labels, len(batch)

    def _so_far(self, sums: Sums) -> tuple[float, float]:
        sums.note(self.state)
        images = min(self.state.step * self.protocol.batch_size, self.images) / self.job.group.size
        return self.state.loss / images, self.state.seconds

    def _order(self) -> int:
        """What the processes agree on after a step."""
        return self.job.group.largest(STOP if self.job.stop() else SAVE if self._due(SAVE_EVERY) else GO_ON)

    def _due_at_end(self, epoch: int) -> bool:
        """The same, at the end of *epoch*."""
        seconds, times = SAVE_EPOCH
        due = self._due(min(seconds, times * self.saving)) or epoch + 1 == self.protocol.epochs
        return self.job.group.largest(SAVE if due else GO_ON) == SAVE

    def _due(self, seconds: float) -> bool:
        """Whether a checkpoint is, so long after the last."""
        return self.job.checkpoints is not None and time.perf_counter() - self.saved_at > seconds

    def _steps(self) -> int:
        """That have been taken."""
        return self.state.epoch * self.steps_per_epoch + self.state.step

    def _peak(self) -> float:
        return max(self.state.peak_mb, *self.job.group.gather(self.peak()))

    def _test(self, epoch: int) -> dict[str, float]:
        """By rank 0 alone; empty in the others."""
        alone = self.job.group.rank == 0
        tested = evaluate(self.network, self.data.test_batches(), self.bf16, self.job.stop) if alone else {}
        if self.job.group.share(tested is None):
            self._save()
            raise Interrupted(f"stopped in epoch {epoch}, in its test")
        return tested

    def _row(self, epoch: int) -> dict[str, float]:
        """Of the history, without the test."""
        losses, counts = zip(*self.job.group.gather((self.state.loss, self.state.wrong)), strict=True)
        return {
            "epoch": epoch,
            "learning_rate": self.protocol.learning_rate_at(epoch, self.steps_per_epoch - 1, self.images),
            "train_loss": sum(losses) / self.images,
            "train_error": 100 * sum(counts) / self.images,
            "train_seconds": self.state.seconds,
        }

    def _save(self) -> None:
        """Keep all that the rest depends on; of batch norm the statistics of rank 0, which alone are used."""
        state, group, start = self.state, self.job.group, time.perf_counter()
        state.peak_mb = self._peak()
        own = {  # what each process has to itself
            "loss": state.loss,
            "wrong": state.wrong,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }
        ranks = group.gather(own)
        if self.job.checkpoints:
            self.counters.show(self._steps())
            content = {
                "state": vars(state),
                "ranks": ranks,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
            self.counters.hide()
            self.job.checkpoints.save(content, self._steps())
        self.saved_at = time.perf_counter()
        self.saving = self.saved_at - start

    def _restore(self, saved: dict) -> None:
        """The inverse of `_save`."""
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        own = saved["ranks"][self.job.group.rank]
        torch.set_rng_state(own["random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(own["random_cuda"], self.device)
        self.state = State(**saved["state"] | {"loss": own["loss"], "wrong": own["wrong"]})


def _check_finite(row: dict[str, float]) -> None:
    for loss in ("train_loss", "test_loss"):
        if not math.isfinite(row[loss]):
            raise InputError(f"{loss} is {row[loss]} in epoch {row['epoch']}: the training has diverged")


@torch.no_grad()
def evaluate(
    network: nn.Module,
    batches: Iterator[tuple[Tensor, Tensor]],
    bf16: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, float] | None:
    """Top-1 and top-5 error in percent and mean cross-entropy, in evaluation mode; None if stop() turns true before the
    last batch.

    The kernels are not chosen by measurement and not compiled, so that another process on such a device gets the same
    errors."""
    network.eval().to(memory_format=torch.channels_last)
    device, total = next(network.parameters(), torch.empty(0)).device, 0
    # On the device, in double precision as a number of Python, so that no batch waits for the one before.
    wrong1, wrong5, loss = (torch.zeros((), dtype=torch.float64, device=device) for _ in range(3))
    for inputs, labels in batches:
        if stop():
            return None
        with (
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            torch.autocast(labels.device.type, torch.bfloat16, enabled=bf16),
        ):
            logits, _ = network(inputs.contiguous(memory_format=torch.channels_last))
        hits = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        wrong1 += (~hits[:, 0]).sum()
        wrong5 += (~hits.any(1)).sum()
        loss += F.cross_entropy(logits.float(), labels, reduction="sum")
        total += len(labels)
    loss, wrong1, wrong5 = torch.stack([loss, wrong1, wrong5]).tolist()
    return {"test_loss": loss / total, "test_error": 100 * wrong1 / total, "test_top5_error": 100 * wrong5 / total}


def summary(history: list[dict]) -> dict[str, float]:
    """The errors of metrics.json. error_last is the headline: error_best is chosen on the test set."""
    errors = [row["test_error"] for row in history]
    last10 = errors[-10:]
    return {
        "error_last": errors[-1],
        "error_best": min(errors),
        "error_last10_mean": sum(last10) / len(last10),
        "top5_error_last": history[-1]["test_top5_error"],
    }
