"""Retraining of a genotype: the training, and what is kept of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from tqdm import tqdm

from freedarts import genotype, spaces, tasks, training
from freedarts.checkpoints import Checkpoints, key
from freedarts.environment import commit, device_name, versions
from freedarts.files import InputError, replace_file, write_json, write_text


@dataclass(frozen=True)
class Run:
    """One training: settings are space, dataset, network and protocol of the task, as in the configuration."""

    genotype: Path
    task: str
    settings: dict
    seed: int
    data: Path | None = None  # manifest of a data set that was downloaded, beside its folder
    code: str = ""  # digest of the code, for the key of the checkpoints
    workers: int = 0  # processes that read images


def retrain(
    run: Run, device: torch.device, bf16: bool, checkpoints: Path, stop: Callable[[], bool], output: Path
) -> None:
    """Train, or go on; write history, protocol and weights beside *output* and the metrics to it, last, so that they
    vouch for the rest. A training that is complete in *checkpoints* writes its results again without an epoch."""
    settings = run.settings
    if run.seed < 0:
        raise InputError(f"run {run.seed}; allowed: 0 and above")
    found = genotype.read_for(run.genotype, settings["space"])
    if isinstance(found, genotype.Refused):
        raise InputError(f"{run.genotype}: the search gave no genotype ({found.reason}); there is nothing to train")
    space = spaces.load(found.space)
    if reason := space.untrainable(found):
        raise InputError(f"{run.genotype}: cannot be trained: {reason}")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device is available; `--gpus 0` trains on the CPU")
    protocol = training.protocol_from_settings(settings["protocol"])
    data = tasks.load(settings["dataset"], run.data and run.data.with_suffix(""), run.workers)
    if data.classes != settings["network"]["classes"]:
        classes = settings["network"]["classes"]
        raise InputError(f"task {run.task}: the network has {classes} classes, the data {data.classes}")

    torch.manual_seed(run.seed)
    network = space.network(found, **settings["network"])
    manifest = run.data.read_text(encoding="utf-8") if run.data else ""
    about = {"genotype": json.dumps(found.to_json()), "settings": json.dumps(settings, sort_keys=True)}
    name = key(*about.values(), str(run.seed), manifest, run.code, device.type, str(bf16))
    history = training.train(
        network,
        data,
        protocol,
        run.seed,
        device,
        Checkpoints(checkpoints / name),
        stop,
        partial(tqdm, desc=run.task, unit="epoch"),
        bf16,
    )

    header = ",".join(history[0])
    rows = (",".join(f"{value:.9g}" for value in row.values()) for row in history)
    write_text(output.with_name("history.csv"), "\n".join([header, *rows]) + "\n")
    write_json(output.with_name("protocol.json"), run.settings)
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    replace_file(output.with_name("weights.safetensors"), lambda partial_file: save_file(state, partial_file, about))
    hours = sum(row["seconds"] for row in history) / 3600
    metrics = {
        "task": run.task,
        "run": run.seed,
        **training.summary(history),
        "epochs": len(history),
        "parameters": sum(p.numel() for name, p in network.named_parameters() if "auxiliary" not in name),
        "images_per_second": len(history) * len(data.train_labels) / sum(row["train_seconds"] for row in history),
        "hours": hours,
        "gpu_hours": hours if device.type == "cuda" else 0.0,
        "precision": "bf16" if bf16 else "float32",
        "device": device_name(device),
        "versions": versions(),
        "commit": commit(),
    }
    write_json(output, metrics)
