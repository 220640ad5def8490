"""The first steps of a training of the release, from its seed and with its draws, beside what its log printed.

In the first epoch nothing is random that a CPU cannot draw again. But rounding grows: two trainings that differ in one
bit soon part, so how far a log can be followed is measured by several runs whose weights were changed by one unit in
the last place.
"""

import math
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from freedarts import genotype, spaces, tasks
from freedarts.files import InputError
from freedarts.jobs.checkpoints import Checkpoints, Interrupted, key
from freedarts.jobs.environment import check_seed, device_name, versions
from freedarts.study.code import commit
from freedarts.study.replays import CONTROL, MEASURES
from freedarts.training import SAVE_EVERY
from freedarts.training.protocol import Protocol, resolved
from freedarts.training.retrain import training_code
from freedarts.training.steps import Steps, optimizer

ONE_STEP = {"float64": torch.float64, "float32": torch.float32}  # the network as it was built
COPY = re.compile(r"run([1-9]\d?)")  # weights changed by one unit in the last place
TASK = ("space", "dataset", "network", "protocol")


@dataclass(frozen=True)
class Replay:
    """settings: space, dataset, network and protocol of the task, and `training_seed`, that of the log."""

    genotype: Path
    settings: dict
    run: str
    steps: int
    data: Path | None = None

    def __post_init__(self):
        if self.run not in (*ONE_STEP, CONTROL) and not COPY.fullmatch(self.run):
            raise InputError(f"run {self.run!r}; allowed: {', '.join(ONE_STEP)}, {CONTROL}, run1 to run99")
        if self.steps < 1 or (self.run in ONE_STEP and self.steps > 1):
            allowed = "1" if self.run in ONE_STEP else "1 and above"
            raise InputError(f"steps {self.steps} of run {self.run}; allowed: {allowed}")

    @property
    def seed(self) -> int:
        return self.settings["training_seed"] + (self.run == CONTROL)


@dataclass
class Means:
    """Of the steps so far, as the release's log prints them: running means over the images of the loss, the auxiliary
    head's part included, and of top-1 and top-5 accuracy in percent; a value for each step."""

    images: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * len(MEASURES))
    loss: list[float] = field(default_factory=list)
    top1: list[float] = field(default_factory=list)
    top5: list[float] = field(default_factory=list)

    def add(self, logits: Tensor, loss: Tensor, labels: Tensor) -> None:
        size = len(labels)
        hits = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
        of_batch = (loss.item() * size, 100 * hits[:, 0].sum().item(), 100 * hits.any(1).sum().item())
        self.images += size
        self.sums = [total + value for total, value in zip(self.sums, of_batch, strict=True)]
        for name, total in zip(MEASURES, self.sums, strict=True):
            getattr(self, name).append(total / self.images)


@torch.no_grad()
def change(network: nn.Module, seed: int) -> None:
    """Give each weight, at random, the next number above it or below it, or leave it: one unit in the last place."""
    generator = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        way = torch.randint(-1, 2, weight.shape, generator=generator)
        weight.copy_(torch.where(way == 0, weight, torch.nextafter(weight, way * math.inf)))


class _Run:
    """A replay at work."""

    def __init__(self, job: Replay, device: torch.device, checkpoints: Path | None):
        settings = resolved({name: job.settings[name] for name in TASK})
        space, dataset = settings["space"], settings["dataset"]
        trained = genotype.read_trainable(job.genotype, space)
        self.protocol = Protocol(**settings["protocol"])
        check_seed("training_seed", job.seed)
        data = tasks.load(dataset, job.data, draw=tasks.RELEASED)
        torch.manual_seed(job.seed)
        network = spaces.load(space).network(trained, **settings["network"])
        drawn = data.begin(job.seed).epoch(job.seed, 0, self.protocol.batch_size)
        batches = drawn.order.split(self.protocol.batch_size)
        if job.steps > len(batches):
            raise InputError(f"steps {job.steps}; allowed: 1 to {len(batches)}, those of the first epoch")
        if copy := COPY.fullmatch(job.run):
            change(network, int(copy[1]))
        self.one_step = job.run in ONE_STEP
        self.device, self.dtype = device, ONE_STEP.get(job.run, torch.float32)
        self.network = network.to(device, self.dtype).train()
        self.network.drop_path = None  # in the first epoch its probability is 0
        self.optimizer = optimizer(network, self.protocol)
        # As built: with channels last, batch norm's statistics on a CPU are off by 5e-5, which moves a loss by 1e-2.
        self.steps = Steps(network, self.optimizer, self.protocol, memory_format=torch.contiguous_format)
        self.means, self.seconds, self.checkpoints = Means(), 0.0, None
        if checkpoints:
            about = (
                str(trained.to_json()),
                str(settings),
                tasks.identity(job.data),
                str(job.seed),
                job.run,
                device.type,
            )
            code = training_code(space, dataset, tasks.RELEASED)
            self.checkpoints = Checkpoints(checkpoints / key("replay", *about, code))
            self._restore(self.checkpoints.load())
        self.batches = drawn.batches(batches[len(self.means.loss) : job.steps])

    def take(self, inputs: Tensor, labels: Tensor) -> None:
        start, labels = time.perf_counter(), labels.to(self.device)
        inputs = inputs.to(self.device, self.dtype)
        if self.one_step:
            with torch.no_grad():  # the memory of a step in float64 is not needed for its loss
                logits, _, loss = self.steps.losses(inputs, labels)
        else:
            logits, _, loss = self.steps.take(inputs, labels, self.protocol.learning_rate_at(0))
        self.means.add(logits, loss, labels)
        self.seconds += time.perf_counter() - start

    def save(self) -> None:
        if self.checkpoints:
            state = {"means": asdict(self.means), "seconds": self.seconds}
            state |= {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
            self.checkpoints.save(state, len(self.means.loss))

    def _restore(self, saved: dict | None) -> None:
        if saved:
            self.network.load_state_dict(saved["network"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.means, self.seconds = Means(**saved["means"]), saved["seconds"]


def replay(
    job: Replay, device: torch.device, checkpoints: Path | None = None, stop: Callable[[], bool] = lambda: False
) -> dict:
    """Take the steps, or those that are left behind the last of *checkpoints*, which are saved every SAVE_EVERY
    seconds, at the end, where more steps may go on from, and when stop() turns true; then it raises Interrupted.

    Returns the contents of the run's file: loss, top1 and top5 (as `Means`), seconds of a step, and what it was
    computed with. InputError where genotype, settings and data do not fit together, or for more steps than the first
    epoch has.
    """
    run, saved_at = _Run(job, device, checkpoints), time.perf_counter()
    for batch in run.batches:
        run.take(*batch)
        done = len(run.means.loss)
        print(f"step {done - 1} of {job.steps}: loss {run.means.loss[-1]:.6f}", flush=True)
        stopped = stop()
        if stopped or done == job.steps or time.perf_counter() - saved_at > SAVE_EVERY:
            run.save()
            saved_at = time.perf_counter()
        if stopped and done < job.steps:
            raise Interrupted(f"stopped behind step {done - 1} of {job.steps}")
    return {
        "run": job.run,
        "training_seed": job.seed,
        **{name: getattr(run.means, name)[: job.steps] for name in MEASURES},
        "seconds": run.seconds / len(run.means.loss),
        "device": device_name(device),
        "versions": versions(),
        "commit": commit(),
    }
