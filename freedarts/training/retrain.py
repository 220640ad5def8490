"""Retraining of a genotype: the training, and what is kept of it."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from freedarts import genotype, plugins, spaces, tasks, training
from freedarts.files import InputError, read_json, replace_file, write_json, write_text
from freedarts.jobs.checkpoints import Checkpoints, Interrupted, key
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

SAY_EVERY = 60  # seconds between lines in the log
RUNS = 1000  # seeds of trainings for each seed of a search


def training_code(space: str, dataset: str, draw: str = tasks.OWN) -> str:
    """Digest of the code that a training's result depends on. What only makes files, messages or supernets is left out:
    an edit in it must not cost a GPU-day."""
    needed = (plugins.source("spaces", space), "freedarts.training", f"freedarts.{tasks.module(dataset)}")
    unrelated = ("files", "genotype", "jobs", "layers.gated", "plugins", "training.presets")
    released = draw == tasks.RELEASED
    return code_digest(*needed, without=[f"freedarts.{name}" for name in unrelated], released=released)


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


@dataclass(frozen=True)
class Checked:
    """A run whose parts have been read, and fit together."""

    run: Run
    settings: dict  # with all defaults of the protocol
    genotype: genotype.Genotype
    protocol: Protocol
    data: tasks.Data

    @property
    def about(self) -> dict[str, str]:
        """What the weights say of themselves. One entry, because safetensors writes several in any order, and equal
        trainings shall be equal files."""
        content = {"genotype": self.genotype.to_json(), "settings": self.settings}
        return {TRAINING: json.dumps(content, sort_keys=True)}

    def key(self, engine: Engine) -> str:
        """Of the training, on *engine*."""
        code = training_code(self.genotype.space, self.settings["dataset"], self.settings.get("draw", tasks.OWN))
        how = (engine.device.type, str(engine.bf16), engine.way, str(engine.processes))
        return key(*self.about.values(), str(self.run.seed), tasks.identity(self.run.data), code, *how)

    def preflight_key(self, engine: Engine) -> str:
        """Of what its preflight measures: other runs, on such a device, have the same."""
        how = (device_name(engine.device), str(engine.bf16), engine.way, str(engine.processes), str(engine.share))
        how += (torch.__version__,)
        return key(*self.about.values(), training_code(self.genotype.space, self.settings["dataset"]), *how)


def check(run: Run, sharing: int) -> Checked:
    """Read what a run names. Raises InputError where it is not allowed or does not fit together; sharing: how many
    processes share every batch."""
    settings = resolved(run.settings)
    check_seed("seed", run.search)
    if not 0 <= run.run < RUNS:
        raise InputError(f"run {run.run}; allowed: 0 to {RUNS - 1}")
    trained = genotype.read_trainable(run.genotype, settings["space"])
    protocol = Protocol(**settings["protocol"])
    workers, draw = -(-run.workers // sharing), settings.get("draw", tasks.OWN)
    data = tasks.load(settings["dataset"], run.data, workers, protocol.color_jitter, draw=draw)
    classes = settings["network"]["classes"]
    if data.classes != classes:
        raise InputError(f"task {run.task}: the network has {classes} classes, the data {data.classes}")
    if faults := list(task_faults(settings, tasks.known(run.data), len(data.train_labels), sharing)):
        raise InputError(f"task {run.task}: {faults[0]}")
    return Checked(run, settings, trained, protocol, data)


class Display:
    """What others see of a training at work: TensorBoard's curves and progress.json, beside its metrics *output*, and a
    line an epoch in its log, at most one a minute; in longer epochs one a minute."""

    def __init__(self, output: Path, epochs: int, images: int):
        self._curves, self._folder, self._epochs = Curves(output.with_name("tensorboard")), output.parent, epochs
        self._images, self._said = images, -math.inf  # to train on; when a line was said
        self._begun = time.time()
        self.peak_mb = 0.0  # of memory, so far

    def show(self, history: list[dict], peak_mb: float) -> None:
        self.peak_mb = peak_mb
        self._curves.show(history)
        run_folder.write_progress(self._folder, history, self._epochs)
        now = time.time()
        if history and (now - self._said >= SAY_EVERY or len(history) == self._epochs):
            self._said = now
            print(run_folder.said(history, self._epochs, self._images, now), flush=True)

    def within(self, epoch: int, step: int, steps: int, so_far: Callable[[], tuple[float, float]]) -> None:
        """As training.Job calls it."""
        now = time.time()
        if now - max(self._said, self._begun) >= SAY_EVERY:
            self._said = now
            loss, seconds = so_far()
            print(run_folder.said_within(epoch, self._epochs, step, steps, loss, seconds, self._images), flush=True)

    def close(self) -> None:
        """The curves are whole; the progress stays until the metrics are there."""
        self._curves.close()

    def remove(self) -> None:
        self._curves.remove()
        (self._folder / run_folder.PROGRESS).unlink(missing_ok=True)


def retrain(run: Run, engine: Engine, checkpoints: Path, stop: Callable[[], bool], output: Path) -> None:
    """Train, or go on; write history, protocol and weights beside *output* and the metrics to it, last, so that they
    vouch for the rest. A training that is complete in *checkpoints* writes its results again without an epoch.

    Of several processes the first keeps checkpoints and writes. Raises Interrupted when stop() turns true, also where
    something fails then: the order to stop may have ended processes that compile for this one."""
    try:
        _retrain(run, engine, checkpoints, stop, output)
    except (InputError, OSError, Interrupted):
        raise
    except Exception as error:
        if stop():
            raise Interrupted(f"stopped; {type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
        raise


def _retrain(run: Run, engine: Engine, checkpoints: Path, stop: Callable[[], bool], output: Path) -> None:
    checked, device = check(run, engine.processes), engine.device
    torch.manual_seed(run.seed)
    network = spaces.load(checked.genotype.space).network(checked.genotype, **checked.settings["network"])
    data, first = checked.data.begin(run.seed), processes.rank() == 0
    kept = Checkpoints(checkpoints / checked.key(engine)) if first else None
    measured = _preflight(checked, network, engine, kept, stop) if first and device.type == "cuda" else None
    with processes.joined(engine.processes, device) as group:
        measured = group.share(measured)
        job, display = training.Job(kept, stop, group=group), None
        if first:
            display = Display(output, checked.protocol.epochs, len(checked.data.train_labels))
            job = replace(job, report=display.show, within=display.within)
        way = measured["step"] if measured else engine.way
        parts = (network, data, checked.protocol, run.seed)
        try:
            history = training.train(*parts, device, engine.bf16, way, job)
        except (RuntimeError, MemoryError) as error:
            if not lacks(error):
                raise
            if first and kept.load() is None:  # nothing goes on from here
                display.remove()
            raise _too_large(checked, engine) from error
    if first:
        display.close()
        _write_beside(output, checked, network, history)
        metrics = _metrics(checked, replace(engine, way=way), network, history, display.peak_mb)
        write_json(output, {**metrics, "preflight": measured, "sha256": run_folder.digests(output)})
        output.with_name(run_folder.PROGRESS).unlink()


def _preflight(checked: Checked, network: nn.Module, engine: Engine, kept: Checkpoints, stop: Callable) -> dict:
    """What it finds, or found: a training keeps to its way to run a step, and equal ones on such a device take it over.
    What lies beside the checkpoints is theirs; `preflight/` is for all."""
    own = kept.folder / "preflight.json"
    equal = kept.folder.parent / "preflight" / f"{checked.preflight_key(engine)}.json"
    for path in (own, equal):
        if path.is_file():
            measured = read_json(path, ("step",))
            break
    else:
        measured = preflight(network, checked.data.classes, checked.protocol, engine, stop)
        write_json(equal, measured)
    if not own.is_file():
        print(json.dumps(measured), flush=True)
        write_json(own, measured)
    return measured


def _too_large(checked: Checked, engine: Engine) -> InputError:
    return InputError(
        f"task {checked.run.task}: protocol.batch_size: {checked.protocol.batch_size} images do not fit into the free"
        f" memory of {device_name(engine.device)}{engine.shared}; `freedarts preflight`, with the same genotype and"
        " settings, finds how many do"
    )


def _write_beside(output: Path, checked: Checked, network: nn.Module, history: list[dict]) -> None:
    """History, protocol and weights."""
    header = ",".join(history[0])
    rows = (",".join(f"{value:.9g}" for value in row.values()) for row in history)
    write_text(output.with_name("history.csv"), "\n".join([header, *rows]) + "\n")
    write_json(output.with_name("protocol.json"), checked.settings)
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    # Not save_file, whose file nobody else may read.
    replace_file(output.with_name("weights.safetensors"), lambda file: file.write_bytes(save(state, checked.about)))


def _metrics(checked: Checked, engine: Engine, network: nn.Module, history: list[dict], peak_mb: float) -> dict:
    """All that metrics.json holds, but for the digests of the files beside it."""
    run = checked.run
    hours = sum(row["seconds"] for row in history) / 3600
    images = len(history) * len(checked.data.train_labels)
    return {
        "task": run.task,
        "run": run.run,
        "training_seed": run.seed,
        **training.summary(history),
        "epochs": len(history),
        "parameters": sum(p.numel() for name, p in network.named_parameters() if "auxiliary" not in name),
        "images_per_second": images / sum(row["train_seconds"] for row in history),
        "hours": hours,
        "peak_memory_mb": round(peak_mb, 1),
        "gpu_hours": hours * engine.processes if engine.device.type == "cuda" else 0.0,
        "precision": "bf16" if engine.bf16 else "float32",
        "step": engine.way,
        "processes": engine.processes,
        "device": device_name(engine.device),
        "versions": versions(),
        "commit": commit(),
    }
