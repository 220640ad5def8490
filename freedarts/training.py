"""Training of a final network, and what is kept of it."""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from freedarts import genotype, spaces, tasks
from freedarts.environment import commit, device_name, versions
from freedarts.files import InputError, replace_file, write_json, write_text
from freedarts.tasks import Data


@dataclass(frozen=True)
class Protocol:
    """SGD with momentum and a cosine schedule, as DARTS trains its final networks (Liu et al., 2019, section 3.2)."""

    epochs: int
    batch_size: int
    learning_rate: float  # of the first epoch
    momentum: float
    weight_decay: float
    gradient_clip: float  # largest global L2 norm
    drop_path: float  # probability in the last epoch but one step; grows linearly from 0
    auxiliary_weight: float  # of the auxiliary head's loss

    def learning_rate_at(self, epoch: int) -> float:
        """epoch counts from 0; the rate would reach 0 one epoch after the last."""
        return self.learning_rate * (1 + math.cos(math.pi * epoch / self.epochs)) / 2

    def drop_path_at(self, epoch: int) -> float:
        return self.drop_path * epoch / self.epochs


def protocol_from_settings(settings: dict) -> Protocol:
    """Raises InputError that names an unknown or missing key."""
    known = {field.name for field in fields(Protocol)}
    if wrong := set(settings) ^ known:
        key = sorted(wrong)[0]
        raise InputError(
            f"protocol: {'no' if key in known else 'unknown'} key {key!r}; keys: {', '.join(sorted(known))}"
        )
    return Protocol(**settings)


def train(
    network: nn.Module,
    data: Data,
    protocol: Protocol,
    seed: int,
    device: torch.device,
    progress: Callable[[range], Iterator[int]] = iter,
) -> list[dict]:
    """Train *network* in place and test it after every epoch. Returns the history, one row an epoch.

    progress wraps the range of epochs, to show them. Errors are in percent, losses are means, seconds are wall time.
    """
    torch.manual_seed(seed)
    network.to(device)
    optimizer = torch.optim.SGD(
        network.parameters(), protocol.learning_rate, protocol.momentum, weight_decay=protocol.weight_decay
    )
    images, labels = data.train_images.to(device), data.train_labels.to(device)
    test = list(_batches(data.test_images.to(device), data.test_labels.to(device)))
    history = []
    for epoch in progress(range(protocol.epochs)):
        start = time.perf_counter()
        network.train()
        network.drop_path = protocol.drop_path_at(epoch)
        rate = protocol.learning_rate_at(epoch)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss_sum, wrong = 0.0, 0
        for batch in torch.randperm(len(labels)).to(device).split(protocol.batch_size):
            logits, auxiliary = network(images[batch])
            loss = F.cross_entropy(logits, labels[batch])
            loss_sum += loss.item() * len(batch)
            wrong += (logits.argmax(1) != labels[batch]).sum().item()
            if auxiliary is not None:
                loss = loss + protocol.auxiliary_weight * F.cross_entropy(auxiliary, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), protocol.gradient_clip)
            optimizer.step()
        trained = time.perf_counter() - start
        row = {"epoch": epoch, "learning_rate": rate, "train_loss": loss_sum / len(labels)}
        row |= {"train_error": 100 * wrong / len(labels), **evaluate(network, test), "train_seconds": trained}
        history.append(row)
    return history


def _batches(images: Tensor, labels: Tensor, size: int = 256) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(images.split(size), labels.split(size), strict=True)


@torch.no_grad()
def evaluate(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Top-1 and top-5 error in percent and mean cross-entropy, in evaluation mode."""
    network.eval()
    wrong1 = wrong5 = total = 0
    loss = 0.0
    for images, labels in batches:
        logits, _ = network(images)
        hits = logits.topk(5, dim=1).indices == labels[:, None]
        wrong1 += (~hits[:, 0]).sum().item()
        wrong5 += (~hits.any(1)).sum().item()
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
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


def retrain(genotype_file: Path, task: str, settings: dict, run: int, device: torch.device, output: Path) -> None:
    """Train what *genotype_file* describes with seed *run*; metrics arrive last, so that they vouch for the rest.

    settings: space, dataset, network and protocol of the task, as in the configuration.
    """
    if run < 0:
        raise InputError(f"run {run}; allowed: 0 and above")
    found = genotype.read_for(genotype_file, settings["space"])
    if isinstance(found, genotype.Refused):
        raise InputError(f"{genotype_file}: the search gave no genotype ({found.reason}); there is nothing to train")
    protocol = protocol_from_settings(settings["protocol"])
    data = tasks.load(settings["dataset"])
    if data.classes != settings["network"]["classes"]:
        raise InputError(
            f"task {task}: the network has {settings['network']['classes']} classes, the data {data.classes}"
        )
    torch.manual_seed(run)
    network = spaces.load(found.space).network(found, **settings["network"])
    start = time.perf_counter()
    history = train(network, data, protocol, run, device, partial(tqdm, desc=task, unit="epoch"))
    hours = (time.perf_counter() - start) / 3600

    header = ",".join(history[0])
    rows = (",".join(f"{value:.6g}" for value in row.values()) for row in history)
    write_text(output.with_name("history.csv"), "\n".join([header, *rows]) + "\n")
    write_json(output.with_name("protocol.json"), settings)
    weights = output.with_name("weights.safetensors")
    about = {"genotype": json.dumps(found.to_json()), "settings": json.dumps(settings, sort_keys=True)}
    replace_file(weights, lambda partial_file: save_file(network.state_dict(), partial_file, about))
    images = protocol.epochs * len(data.train_labels)
    metrics = {
        "task": task,
        "run": run,
        **summary(history),
        "epochs": len(history),
        "parameters": sum(p.numel() for name, p in network.named_parameters() if "auxiliary" not in name),
        "images_per_second": images / sum(row["train_seconds"] for row in history),
        "hours": hours,
        "gpu_hours": hours if device.type == "cuda" else 0.0,
        "device": device_name(device),
        "versions": versions(),
        "commit": commit(),
    }
    write_json(output, metrics)
