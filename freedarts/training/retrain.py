"""Retraining of a genotype: the training, and what is kept of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from tqdm import tqdm

from freedarts import genotype, plugins, spaces, tasks, training
from freedarts.files import InputError, replace_file, write_json, write_text
from freedarts.jobs.checkpoints import Checkpoints, key
from freedarts.jobs.environment import Engine, check_seed, device_name, versions
from freedarts.jobs.memory import lacks
from freedarts.study import run_folder
from freedarts.study.code import code_digest, commit
from freedarts.study.settings import task_faults
from freedarts.training import processes
from freedarts.training.preflight import preflight
from freedarts.training.protocol import Protocol, resolved
from freedarts.training.tensorboard import Curves
from freedarts.training.weights import TRAINING

RUNS = 1000  # seeds of trainings for each seed of a search


def training_code(space: str, dataset: str) -> str:
    """Digest of the code that a training's result depends on. What only makes files, messages or supernets is left out:
    an edit in it must not cost a GPU-day."""
    needed = (plugins.source("spaces", space), "freedarts.training", f"freedarts.{tasks.module(dataset)}")
    unrelated = ("files", "genotype", "jobs", "layers.gated", "plugins", f"spaces.{space}.released")
    return code_digest(*needed, without=[f"freedarts.{name}" for name in unrelated])


@dataclass(frozen=True)
class Run:
    """One training: settings are space, dataset, network and protocol of the task, as in the configuration."""

    genotype: Path
    task: str
    settings: dict
    run: int
    search: int = 0  # seed of the search that found the genotype
    data: Path | None = None  # manifest of a data set that was downloaded or is a folder
    workers: int = 0  # processes that read images

    @property
    def seed(self) -> int:
        """Of the training. Searches may find one genotype with all their seeds: their trainings are repetitions of each
        other, not copies, and several may be at work at the same time."""
        return (RUNS * self.search + self.run) % 2**32


def retrain(run: Run, engine: Engine, checkpoints: Path, stop: Callable[[], bool], output: Path) -> None:
    """Train, or go on; write history, protocol and weights beside *output* and the metrics to it, last, so that they
    vouch for the rest. A training that is complete in *checkpoints* writes its results again without an epoch.

    Of several processes the first keeps checkpoints and writes."""
    settings, device = resolved(run.settings), engine.device
    check_seed("seed", run.search)
    if not 0 <= run.run < RUNS:
        raise InputError(f"run {run.run}; allowed: 0 to {RUNS - 1}")
    found = genotype.read_trainable(run.genotype, settings["space"])
    space = spaces.load(found.space)
    protocol = Protocol(**settings["protocol"])
    workers = -(-run.workers // engine.processes)
    data = tasks.load(settings["dataset"], run.data, workers, protocol.color_jitter)
    if data.classes != settings["network"]["classes"]:
        classes = settings["network"]["classes"]
        raise InputError(f"task {run.task}: the network has {classes} classes, the data {data.classes}")
    if odd := list(task_faults(settings, tasks.known(run.data), len(data.train_labels), engine.processes)):
        raise InputError(f"task {run.task}: {odd[0]}")

    torch.manual_seed(run.seed)
    network = space.network(found, **settings["network"])
    # One entry, because safetensors writes several in any order, and equal trainings shall be equal files.
    about = {TRAINING: json.dumps({"genotype": found.to_json(), "settings": settings}, sort_keys=True)}
    code = training_code(found.space, settings["dataset"])
    how = (device.type, str(engine.bf16), str(engine.compiled), str(engine.processes))
    name = key(*about.values(), str(run.seed), tasks.identity(run.data), code, *how)
    first = processes.rank() == 0
    kept = Checkpoints(checkpoints / name) if first else None
    if first and device.type == "cuda" and kept.load() is None:  # what has steps behind it has shown that it fits
        print(json.dumps(preflight(network, data.classes, protocol, engine)), flush=True)
    with processes.joined(engine.processes, device) as group:
        curves = Curves(output.with_name("tensorboard")) if first else None

        peak = 0.0

        def show(history: list[dict], peak_mb: float) -> None:
            nonlocal peak
            peak = peak_mb
            if curves:
                curves.show(history)
                run_folder.write_progress(output.parent, history, protocol.epochs)

        try:
            history = training.train(
                network,
                data,
                protocol,
                run.seed,
                device,
                kept,
                stop,
                partial(tqdm, desc=run.task, unit="epoch", disable=not first),
                engine.bf16,
                show,
                engine.compiled,
                group,
            )
        except (RuntimeError, MemoryError) as error:
            if not lacks(error):
                raise
            if curves and kept.load() is None:  # nothing goes on from here
                curves.remove()
                output.with_name(run_folder.PROGRESS).unlink(missing_ok=True)
            raise InputError(
                f"task {run.task}: protocol.batch_size: {protocol.batch_size} images do not fit into the free memory of"
                f" {device_name(device)}; `python -m scripts.preflight`, with the same genotype and settings, finds how"
                " many do"
            ) from error
    if not curves:
        return
    curves.close()

    header = ",".join(history[0])
    rows = (",".join(f"{value:.9g}" for value in row.values()) for row in history)
    write_text(output.with_name("history.csv"), "\n".join([header, *rows]) + "\n")
    write_json(output.with_name("protocol.json"), settings)
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    replace_file(output.with_name("weights.safetensors"), lambda partial_file: save_file(state, partial_file, about))
    hours = sum(row["seconds"] for row in history) / 3600
    metrics = {
        "task": run.task,
        "run": run.run,
        "training_seed": run.seed,
        **training.summary(history),
        "epochs": len(history),
        "parameters": sum(p.numel() for name, p in network.named_parameters() if "auxiliary" not in name),
        "images_per_second": len(history) * len(data.train_labels) / sum(row["train_seconds"] for row in history),
        "hours": hours,
        "peak_memory_mb": round(peak, 1),
        "gpu_hours": hours * engine.processes if device.type == "cuda" else 0.0,
        "precision": "bf16" if engine.bf16 else "float32",
        "compiled": engine.compiled,
        "processes": engine.processes,
        "device": device_name(device),
        "versions": versions(),
        "commit": commit(),
        "sha256": run_folder.digests(output),
    }
    write_json(output, metrics)
    output.with_name(run_folder.PROGRESS).unlink()
