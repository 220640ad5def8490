"""Training of a final network by a protocol: loop and test, resumable at any step."""

import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from freedarts.files import InputError
from freedarts.jobs import memory
from freedarts.jobs.checkpoints import Checkpoints, Interrupted
from freedarts.tasks import Data
from freedarts.training.processes import ALONE, Group
from freedarts.training.protocol import ALL, INTENDED, Protocol

SAVE_EVERY = 600  # seconds between checkpoints within an epoch
GO_ON, SAVE, STOP = range(3)  # what the processes of a training agree on after each step


def epoch_seed(seed: int, epoch: int) -> int:
    return seed * 1_000_003 + epoch


def epoch_order(images: int, seed: int, epoch: int) -> Tensor:
    """The order of the training images in an epoch: a function of *seed* and *epoch* alone, so that a training that
    was killed takes up the same one."""
    return torch.randperm(images, generator=torch.Generator().manual_seed(epoch_seed(seed, epoch)))


def optimizer(network: nn.Module, protocol: Protocol) -> torch.optim.Optimizer:
    """SGD that lets the parameters decay that the protocol names."""

    def decays(name: str, parameter: Tensor) -> bool:
        classifier = protocol.decay == INTENDED and name.startswith("classifier.")
        return protocol.decay == ALL or parameter.ndim == 4 or classifier

    groups = {protocol.weight_decay: [], 0.0: []}
    for name, parameter in network.named_parameters():
        groups[protocol.weight_decay if decays(name, parameter) else 0.0].append(parameter)
    options = [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items() if parameters]
    return torch.optim.SGD(options, protocol.learning_rate, protocol.momentum)


def drop_path(probability: float, device: torch.device) -> Tensor | None:
    """As the networks take it."""
    return torch.tensor(probability, device=device) if probability else None


def step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    protocol: Protocol,
    inputs: Tensor,
    labels: Tensor,
    bf16: bool,
    weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """One step of a training; weight: of the images in the mean over several processes. Returns the logits, and the
    mean loss without the auxiliary head's part."""
    with torch.autocast(labels.device.type, torch.bfloat16, enabled=bf16):
        logits, auxiliary = network(inputs.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits, labels, label_smoothing=protocol.label_smoothing)
        total = loss
        if auxiliary is not None:
            extra = F.cross_entropy(auxiliary, labels, label_smoothing=protocol.label_smoothing)
            total = loss + protocol.auxiliary_weight * extra
    optimizer.zero_grad()
    (total if weight == 1.0 else weight * total).backward()
    nn.utils.clip_grad_norm_(network.parameters(), protocol.gradient_clip)
    optimizer.step()
    return logits.detach(), loss.detach()


@dataclass
class State:
    """Where a training stands: the next step of an epoch, what this process summed up in it, and the history."""

    epoch: int
    step: int
    loss: float
    wrong: int
    seconds: float
    history: list[dict]
    peak_mb: float = 0.0  # of memory, of the process that used most


def train(
    network: nn.Module,
    data: Data,
    protocol: Protocol,
    seed: int,
    device: torch.device,
    checkpoints: Checkpoints | None = None,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
    bf16: bool = False,
    report: Callable[[list[dict], float], None] = lambda history, peak_mb: None,
    compiled: bool = False,
    group: Group = ALONE,
) -> list[dict]:
    """Train *network* in place and test it after every epoch. Returns the history, one row an epoch.

    With *checkpoints* it goes on where the last one stands, and saves after every epoch, every SAVE_EVERY seconds and
    when stop() turns true, which it asks between batches, those of a test too; then it raises Interrupted. progress
    wraps the epochs to come, to show them; report gets the history, and the peak memory so far (MB above what was in
    use before, of the process that used most), before the first of them and after each. bf16: automatic mixed precision
    with bfloat16; compiled: whether whole batches run through torch.compile. Errors are in percent, losses are means,
    seconds are wall time of this training.

    In a *group* of processes every one is called alike, checkpoints apart, which rank 0 has. It alone tests the network
    and has the history.
    """
    peak = memory.watch(device)
    torch.manual_seed(zlib.crc32(f"rank {group.rank} {seed}".encode()) if group.rank else seed)
    network.to(device, memory_format=torch.channels_last)
    data = data.to(device)
    sgd = optimizer(network, protocol)
    state = State(0, 0, 0.0, 0, 0.0, [])
    if saved := group.share(checkpoints and checkpoints.load()):
        state = _restore(saved, network, sgd, device, group.rank)
        del saved  # it is as large as the network with its momentum
    model = group.wrap(network)
    fast = torch.compile(model) if compiled else model
    images = len(data.train_labels)
    steps = math.ceil(images / protocol.batch_size)

    def save() -> None:
        state.peak_mb = max(state.peak_mb, *group.gather(peak()))
        ranks = group.gather(_own(state, device))
        if checkpoints:
            checkpoints.save(_snapshot(state, ranks, network, sgd), state.epoch * steps + state.step)

    report(state.history, state.peak_mb)
    for epoch in progress(range(state.epoch, protocol.epochs)):
        network.train()
        network.drop_path = drop_path(protocol.drop_path_at(epoch), device)
        start = saved_at = time.perf_counter()
        earlier = state.seconds
        loss_sum, wrong = (torch.tensor(value, device=device) for value in (state.loss, state.wrong))
        indices = epoch_order(images, seed, epoch if protocol.reshuffle else 0)
        # Copied to where the labels are at once: a copy to a GPU in each step would wait for the step before.
        batches = indices.to(data.train_labels.device).split(protocol.batch_size)[state.step :]
        loader = data.train_batches(map(group.part, batches), seed=epoch_seed(seed, epoch))
        for batch, (inputs, labels) in zip(batches, loader, strict=True):
            rate = protocol.learning_rate_at(epoch, state.step, images)
            for parameters in sgd.param_groups:
                parameters["lr"] = rate
            # The last, smaller batch would be compiled a second time.
            called = fast if len(batch) == protocol.batch_size else model
            weight = group.size * len(labels) / len(batch)
            logits, loss = step(called, sgd, protocol, inputs, labels, bf16, weight)
            loss_sum += loss * len(labels)
            wrong += (logits.argmax(1) != labels).sum()
            state.step += 1
            now = time.perf_counter()
            due = checkpoints and now - saved_at > SAVE_EVERY
            if order := group.largest(STOP if stop() else SAVE if due else GO_ON):
                state.loss, state.wrong, state.seconds = loss_sum.item(), wrong.item(), earlier + now - start
                save()
                saved_at = now
                if order == STOP:
                    raise Interrupted(f"stopped in epoch {epoch}, step {state.step} of {steps}")
        state.loss, state.wrong = loss_sum.item(), wrong.item()
        state.seconds = earlier + time.perf_counter() - start
        losses, counts = zip(*group.gather((state.loss, state.wrong)), strict=True)
        tested = evaluate(network, data.test_batches(), bf16, stop) if group.rank == 0 else {}
        if group.share(tested is None):
            save()
            raise Interrupted(f"stopped in epoch {epoch}, in its test")
        row = {
            "epoch": epoch,
            "learning_rate": protocol.learning_rate_at(epoch, steps - 1, images),
            "train_loss": sum(losses) / images,
            "train_error": 100 * sum(counts) / images,
            "train_seconds": state.seconds,
        }
        if group.rank == 0:
            row |= tested
            row["seconds"] = earlier + time.perf_counter() - start
            for loss in ("train_loss", "test_loss"):
                if not math.isfinite(row[loss]):
                    raise InputError(f"{loss} is {row[loss]} in epoch {epoch}: the training has diverged")
        state = State(epoch + 1, 0, 0.0, 0, 0.0, [*state.history, row], state.peak_mb)
        save()
        report(state.history, state.peak_mb)
    return state.history


def _own(state: State, device: torch.device) -> dict:
    """What each process of a training has to itself."""
    return {
        "loss": state.loss,
        "wrong": state.wrong,
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def _snapshot(state: State, ranks: list[dict], network: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    """Of batch norm the statistics of rank 0, which alone are used."""
    return {
        "state": vars(state),
        "ranks": ranks,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }


def _restore(
    saved: dict, network: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device, rank: int
) -> State:
    network.load_state_dict(saved["network"])
    optimizer.load_state_dict(saved["optimizer"])
    own = saved["ranks"][rank]
    torch.set_rng_state(own["random"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(own["random_cuda"], device)
    return State(**saved["state"] | {"loss": own["loss"], "wrong": own["wrong"]})


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
    wrong1 = wrong5 = total = 0
    loss = 0.0
    for inputs, labels in batches:
        if stop():
            return None
        with (
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            torch.autocast(labels.device.type, torch.bfloat16, enabled=bf16),
        ):
            logits, _ = network(inputs.contiguous(memory_format=torch.channels_last))
        hits = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        wrong1 += (~hits[:, 0]).sum().item()
        wrong5 += (~hits.any(1)).sum().item()
        loss += F.cross_entropy(logits.float(), labels, reduction="sum").item()
        total += len(labels)
    return {"test_loss": loss / total, "test_error": 100 * wrong1 / total, "test_top5_error": 100 * wrong5 / total}


def summary(history: list[dict]) -> dict[str, float]:
    """The figures of metrics.json. error_last is the headline: error_best is chosen on the test set."""
    errors = [row["test_error"] for row in history]
    last10 = errors[-10:]
    return {
        "error_last": errors[-1],
        "error_best": min(errors),
        "error_last10_mean": sum(last10) / len(last10),
        "top5_error_last": history[-1]["test_top5_error"],
    }
