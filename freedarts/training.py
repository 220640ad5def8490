"""Training of a final network: protocol, loop, test, resumable at any step."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from freedarts.checkpoints import Checkpoints, Interrupted
from freedarts.files import InputError
from freedarts.tasks import Data

SAVE_EVERY = 600  # seconds between checkpoints within an epoch


@dataclass(frozen=True)
class Protocol:
    """SGD with momentum, as DARTS trains its final networks (Liu et al., 2019, section 3.2)."""

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str  # a key of SCHEDULES
    momentum: float
    weight_decay: float  # on every parameter
    gradient_clip: float  # largest global L2 norm
    drop_path: float  # grows linearly from 0 over the epochs towards this probability
    auxiliary_weight: float  # of the auxiliary head's loss
    label_smoothing: float

    def learning_rate_at(self, epoch: int) -> float:
        """The rate that is used in *epoch*, which counts from 0."""
        return self.learning_rate * SCHEDULES[self.schedule](epoch, self.epochs)

    def drop_path_at(self, epoch: int) -> float:
        return self.drop_path * epoch / self.epochs


def _cosine(epoch: int, epochs: int) -> float:
    """From 1 towards 0, which would be reached one epoch after the last."""
    return (1 + math.cos(math.pi * epoch / epochs)) / 2


def _cosine_released(epoch: int, epochs: int) -> float:
    """The release steps its scheduler before an epoch, so that the last epoch trains with rate 0."""
    return _cosine(epoch + 1, epochs)


def _linear_released(epoch: int, epochs: int) -> float:
    """The release's ImageNet schedule: five epochs of warm-up from the base rate, linear, a fifth in the last five."""
    if epoch < 5:
        return (epoch + 1) / 5
    if epoch < epochs - 5:
        return (epochs - 5 - epoch) / (epochs - 5)
    return (epochs - epoch) / (5 * (epochs - 5))


SCHEDULES = {"cosine": _cosine, "cosine-released": _cosine_released, "linear-released": _linear_released}


def epoch_seed(seed: int, epoch: int) -> int:
    return seed * 1_000_003 + epoch


def epoch_order(images: int, seed: int, epoch: int) -> Tensor:
    """The order of the training images in an epoch: a function of *seed* and *epoch* alone, so that a training that
    was killed takes up the same one."""
    return torch.randperm(images, generator=torch.Generator().manual_seed(epoch_seed(seed, epoch)))


@dataclass
class State:
    """Where a training stands: the next step of an epoch, what was summed up in that epoch, and the history."""

    epoch: int
    step: int
    loss: float
    wrong: int
    seconds: float
    history: list[dict]


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
) -> list[dict]:
    """Train *network* in place and test it after every epoch. Returns the history, one row an epoch.

    With *checkpoints* it goes on where the last one stands, and saves after every epoch, every SAVE_EVERY seconds and
    when stop() turns true; then it raises Interrupted. progress wraps the epochs to come, to show them. bf16: automatic
    mixed precision with bfloat16. Errors are in percent, losses are means, seconds are wall time of this training.
    """
    torch.manual_seed(seed)
    network.to(device)
    data = data.to(device)
    optimizer = torch.optim.SGD(
        network.parameters(), protocol.learning_rate, protocol.momentum, weight_decay=protocol.weight_decay
    )
    state = State(0, 0, 0.0, 0, 0.0, [])
    if checkpoints and (saved := checkpoints.load()):
        state = _restore(saved, network, optimizer, device)
    images = len(data.train_labels)
    steps = math.ceil(images / protocol.batch_size)

    def save() -> None:
        if checkpoints:
            checkpoints.save(_snapshot(state, network, optimizer, device), state.epoch * steps + state.step)

    for epoch in progress(range(state.epoch, protocol.epochs)):
        network.train()
        network.drop_path = protocol.drop_path_at(epoch)
        rate = protocol.learning_rate_at(epoch)
        for group in optimizer.param_groups:
            group["lr"] = rate
        start = saved_at = time.perf_counter()
        earlier = state.seconds
        loss_sum, wrong = (torch.tensor(value, device=device) for value in (state.loss, state.wrong))
        batches = epoch_order(images, seed, epoch).split(protocol.batch_size)[state.step :]
        for inputs, labels in data.train_batches(batches, seed=epoch_seed(seed, epoch)):
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                logits, auxiliary = network(inputs)
                loss = F.cross_entropy(logits, labels, label_smoothing=protocol.label_smoothing)
                loss_sum += loss.detach() * len(labels)
                if auxiliary is not None:
                    extra = F.cross_entropy(auxiliary, labels, label_smoothing=protocol.label_smoothing)
                    loss = loss + protocol.auxiliary_weight * extra
            wrong += (logits.argmax(1) != labels).sum()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), protocol.gradient_clip)
            optimizer.step()
            state.step += 1
            now = time.perf_counter()
            if stop() or (checkpoints and now - saved_at > SAVE_EVERY):
                state.loss, state.wrong, state.seconds = loss_sum.item(), wrong.item(), earlier + now - start
                save()
                saved_at = now
                if stop():
                    raise Interrupted(f"stopped in epoch {epoch}, step {state.step} of {steps}")
        row = {
            "epoch": epoch,
            "learning_rate": rate,
            "train_loss": loss_sum.item() / images,
            "train_error": 100 * wrong.item() / images,
            "train_seconds": earlier + time.perf_counter() - start,
        }
        row |= evaluate(network, data.test_batches(), bf16)
        row["seconds"] = earlier + time.perf_counter() - start
        for loss in ("train_loss", "test_loss"):
            if not math.isfinite(row[loss]):
                raise InputError(f"{loss} is {row[loss]} in epoch {epoch}: the training has diverged")
        state = State(epoch + 1, 0, 0.0, 0, 0.0, [*state.history, row])
        save()
    return state.history


def _snapshot(state: State, network: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> dict:
    return {
        "state": vars(state),
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def _restore(saved: dict, network: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> State:
    network.load_state_dict(saved["network"])
    optimizer.load_state_dict(saved["optimizer"])
    torch.set_rng_state(saved["random"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(saved["random_cuda"], device)
    return State(**saved["state"])


@torch.no_grad()
def evaluate(network: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], bf16: bool = False) -> dict[str, float]:
    """Top-1 and top-5 error in percent and mean cross-entropy, in evaluation mode."""
    network.eval()
    wrong1 = wrong5 = total = 0
    loss = 0.0
    for inputs, labels in batches:
        with torch.autocast(labels.device.type, torch.bfloat16, enabled=bf16):
            logits, _ = network(inputs)
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
