"""The steps of a training by a protocol: the optimizer, how one batch is computed, and the ways to run a step.

Eager calls kernel after kernel. Compiled has each cell through torch.compile. Captured records the whole step, with
clipping and optimizer, and repeats it with one call; it needs memory that stays where it is. The last one does both.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from freedarts.jobs.environment import BOTH, CAPTURES, COMPILED, EAGER
from freedarts.training.protocol import ALL, INTENDED, Protocol

COMPILES = (COMPILED, BOTH)
WARM_UP = 3  # steps before the one that is recorded: they choose kernels, and make what stays
GRAPHS = 64  # that torch.compile may make of one function: cells of several widths share theirs

Step = Callable[[], tuple[Tensor, Tensor, Tensor]]


def optimizer(network: nn.Module, protocol: Protocol, way: str = EAGER) -> torch.optim.Optimizer:
    """SGD that lets the parameters decay that the protocol names. What is captured takes its rate from a tensor."""

    def decays(name: str, parameter: Tensor) -> bool:
        classifier = protocol.decay == INTENDED and name.startswith("classifier.")
        return protocol.decay == ALL or parameter.ndim == 4 or classifier

    groups = {protocol.weight_decay: [], 0.0: []}
    for name, parameter in network.named_parameters():
        groups[protocol.weight_decay if decays(name, parameter) else 0.0].append(parameter)
    options = [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items() if parameters]
    return torch.optim.SGD(options, protocol.learning_rate, protocol.momentum, fused=way in CAPTURES or None)


def drop_path(protocol: Protocol, device: torch.device) -> Tensor | None:
    """As the networks take it, to be filled in every epoch; from the first on, though it begins with 0, so that nothing
    is compiled or captured twice."""
    return torch.zeros((), device=device) if protocol.drop_path else None


class Counters:
    """Batch norm's counters of batches, on a GPU: nothing here reads them, and each is a kernel in every step, so that
    they are kept away from the network while it trains."""

    def __init__(self, network: nn.Module, device: torch.device):
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and module.momentum]
        self._counters = [(norm, norm.num_batches_tracked) for norm in norms if device.type == "cuda"]
        self.hide()

    def hide(self) -> None:
        for norm, _ in self._counters:
            norm.num_batches_tracked = None

    def show(self, batches: int) -> None:
        """They say so many *batches*."""
        for norm, counter in self._counters:
            norm.num_batches_tracked = counter.fill_(batches)


class CudaGraph:
    """A step on a GPU that is recorded once, and repeated with the same memory."""

    def warm_up(self, step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """Take it on a stream beside the current one, as recording does."""
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            results = step()
        current.wait_stream(stream)
        return results

    def record(self, step: Step) -> Step:
        """Returns what takes the recorded one; its results are there until the next."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = step()

        def replay() -> tuple[Tensor, Tensor, Tensor]:
            graph.replay()
            return results

        return replay


class Steps:
    """Takes the steps of a training of *network*, which may be wrapped by a group of processes, with mixed precision
    (bf16), whole batches in a *way* of freedarts.jobs.environment; the optimizer is made for it, and has been loaded.
    memory_format: that the network's weights have. recorder: of the steps that are captured."""

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        protocol: Protocol,
        bf16: bool = False,
        way: str = EAGER,
        memory_format: torch.memory_format = torch.channels_last,
        recorder: type = CudaGraph,
    ):
        self._network, self._optimizer, self._protocol, self._bf16 = network, optimizer, protocol, bf16
        self._memory_format = memory_format
        self._compiled = compiled_cells(network) if way in COMPILES else []
        self._captured = _Captured(optimizer, recorder()) if way in CAPTURES else None

    def take(
        self, inputs: Tensor, labels: Tensor, rate: float, weight: float = 1.0, whole: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step with the learning *rate*; weight: of the images in the mean over several processes; whole: false
        for the last, smaller batch, which is taken eagerly. Returns the logits, and the mean loss without and with the
        auxiliary head's part, which are there until the next step."""
        step = partial(self._take, weight=weight, whole=whole)
        if self._captured:
            return self._captured.take(step, inputs.contiguous(memory_format=self._memory_format), labels, rate, whole)
        for parameters in self._optimizer.param_groups:
            parameters["lr"] = rate
        return step(inputs, labels)

    def _take(self, inputs: Tensor, labels: Tensor, weight: float, whole: bool) -> tuple[Tensor, Tensor, Tensor]:
        logits, loss, total = self.losses(inputs, labels, whole)
        self._optimizer.zero_grad()
        (total if weight == 1.0 else weight * total).backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._protocol.gradient_clip)
        self._optimizer.step()
        return logits.detach(), loss.detach(), total.detach()

    def losses(self, inputs: Tensor, labels: Tensor, whole: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """What `take` returns, before the step."""
        with (
            torch.autocast(labels.device.type, torch.bfloat16, enabled=self._bf16),
            _replaced(self._compiled if whole else []),
        ):
            logits, auxiliary = self._network(inputs.contiguous(memory_format=self._memory_format))
            loss = total = self._loss(logits, labels)
            if auxiliary is not None:
                total = loss + self._protocol.auxiliary_weight * self._loss(auxiliary, labels)
        return logits, loss, total

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self._protocol.label_smoothing)


class _Captured:
    """Steps whose inputs and rate lie where they lay when the step was recorded."""

    def __init__(self, optimizer: torch.optim.Optimizer, recorder: CudaGraph):
        self._optimizer, self._recorder = optimizer, recorder
        self._rate = self._inputs = self._labels = self._replay = None
        self._taken = 0

    def take(
        self, step: Callable, inputs: Tensor, labels: Tensor, rate: float, whole: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The first whole batches are taken as they are, and make what stays; then one is recorded."""
        if self._rate is None:
            self._rate = torch.zeros((), device=labels.device)
            for parameters in self._optimizer.param_groups:
                parameters["lr"] = self._rate
        self._rate.fill_(rate)
        if not whole:
            return step(inputs, labels)
        if self._inputs is None:
            self._inputs, self._labels = torch.empty_like(inputs), torch.empty_like(labels)
        self._inputs.copy_(inputs)
        self._labels.copy_(labels)
        static = partial(step, self._inputs, self._labels)
        if self._taken < WARM_UP:
            self._taken += 1
            return self._recorder.warm_up(static)
        if self._replay is None:
            self._optimizer.zero_grad()
            self._replay = self._recorder.record(static)
        return self._replay()


def compiled_cells(network: nn.Module) -> list[tuple[nn.Module, Callable]]:
    """The parts of *network* that lie in its lists of modules, or it as a whole where it has none, each with its
    `forward` compiled: like cells are compiled once, which takes a fraction of the time of the whole network."""
    import torch._dynamo

    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, GRAPHS)
    bare = network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network
    lists = [child for child in bare.children() if isinstance(child, nn.ModuleList)]
    cells = [cell for cells in lists for cell in cells] or [bare]
    options = {"combo_kernels": True}  # small kernels that depend on nothing of each other are launched as one
    return [(cell, torch.compile(cell.forward, dynamic=False, options=options)) for cell in cells]


@contextmanager
def _replaced(compiled: list[tuple[nn.Module, Callable]]) -> Iterator[None]:
    """Inside, these modules have the other `forward`; tests and smaller batches do not, nor do names of weights."""
    for module, forward in compiled:
        module.forward = forward
    try:
        yield
    finally:
        for module, _ in compiled:
            del module.forward
