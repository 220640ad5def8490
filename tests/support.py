"""What several test modules share: copies of the project, trainings of seconds, small networks, results."""

import atexit
import builtins
import csv
import errno
import importlib
import io
import json
import multiprocessing
import multiprocessing.connection
import os
import random
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, chdir
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

import torch
import yaml
from safetensors.torch import load_file
from tensorboardX.proto.event_pb2 import Event

from freedarts import files, search, spaces
from freedarts.nasbench201 import ACCURACIES
from freedarts.spaces import nasbench201
from freedarts.study import kinds, paper
from freedarts.study.paths import (
    ARCHITECTURE_SCORES,
    CORRELATION,
    COST,
    GENOTYPE,
    KEPT_REPLAYS,
    KEPT_TABLES,
    LOOKUP,
    RANKING,
    REPLAY,
    SEARCH,
)
from freedarts.study.paths import METRICS as METRICS_PATH
from freedarts.tables import nasbench201 as nasbench201_table

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "config" / "schema.yaml"

PARTS = (
    "Snakefile",
    "rules",
    "scripts",
    "freedarts",
    "config",
    "resources",
    "envs",
    "profiles",
    KEPT_REPLAYS,
    KEPT_TABLES,
)
# Times, memory and what depends on them; everything else must come out the same again.
VOLATILE = ("seconds", "memory, MB", "images/s", "hours")

RULES = {
    name: text
    for path in (ROOT / "rules").glob("*.smk")
    for name, text in re.findall(r"^ *rule (\w*):\n(.*?)(?=^ *rule |\Z)", path.read_text(), re.MULTILINE | re.DOTALL)
}
SUBMITTED = {name for name, text in RULES.items() if "localrule: True" not in text}

# A training of seconds, as a task of the configuration holds it.
TINY_TASK = {
    "space": "nasbench201",
    "dataset": "digits",
    "network": {"channels": 4, "cells_per_stage": 1, "image_size": 32, "classes": 10},
    "protocol": {
        "epochs": 2,
        "batch_size": 32,
        "learning_rate": 0.05,
        "schedule": "cosine",
        "momentum": 0.9,
        "weight_decay": 0.0003,
        "gradient_clip": 5.0,
        "drop_path": 0.0,
        "auxiliary_weight": 0.0,
        "label_smoothing": 0.0,
    },
}
SHORT_PROTOCOL = TINY_TASK["protocol"] | {"epochs": 3, "batch_size": 64, "label_smoothing": 0.1}
TRAINED_GENOTYPE = {
    "space": "nasbench201",
    "arch": "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|",
}
MEASURED = ("images_per_second", "hours", "peak_memory_mb", "commit", "sha256", "digest")

# A supernet of each space, and a network of each to train.
SMALL = {
    "darts": {"channels": 4, "cells": 3, "stem_kind": "cifar", "image_size": 16, "classes": 5},
    "nasbench201": {"channels": 4, "cells_per_stage": 1, "image_size": 16, "classes": 5},
    "mobilenet": {"channels": 4, "image_size": 64, "classes": 5},
}
NETWORKS = {
    "darts": {"channels": 4, "cells": 3, "stem_kind": "cifar", "image_size": 32, "classes": 10, "auxiliary": True},
    "nasbench201": {"channels": 4, "cells_per_stage": 1, "image_size": 32, "classes": 10},
    "mobilenet": {"channels": 4, "image_size": 32, "classes": 10},
}

# Settings of scores.
SNIP = {
    "proxy": "snip",
    "batch_norm": "train",
    "gates": "normal",
    "gate_scale": 0.3,
    "positive_gates": False,
    "positive_weights": False,
    "precision": "float64",
    "data": {"dataset": "digits", "batch_size": 6},
}
GRASP = SNIP | {"proxy": "grasp", "options": {"product": "gradient", "sign": "negative"}}

# What a search on NAS-Bench-201 writes, as far as others read it.
SEARCH_RESULT = {
    "seed": 0,
    "space": "nasbench201",
    "proxy": "synflow",
    "objective": 10.79,
    "scores": {"cell": [[0.0, 0.1, 0.2, 0.3, 0.25]] * 6},
    "operations": list(nasbench201.OPERATIONS),
    "audit": {
        "verdict": "sound",
        "overflow": None,
        "largest": 0.3,
        "largest_second": 0.3,
        "difference": 0.0,
        "agreement": {"cell": 6},
    },
    "seconds": 0.5,
    "peak_memory_mb": 20.0,
}

# What a training writes, as far as others read it; the paper's numbers, and what is read for them.
METRICS = {"error_last": 2.5, "error_best": 2.25, "top5_error_last": 0.5, "epochs": 600, "parameters": 3000000}
METRICS |= {"images_per_second": 100.0, "hours": 30.0, "device": "a GPU"}
NUMBERS = {number["id"]: number for number in paper.read(ROOT / "resources" / "numbers.yaml", SCHEMA)}
READINGS = {"published": {"runs": 3}, "searched": {"source": "synflow-released", "seeds": 5, "runs": 1}}

# One result of each kind that the tables read, the names in their paths, and the settings of the tables.
NAMES = {
    "supernet": "nasbench201",
    "score": "synflow",
    "source": "synflow",
    "task": "t",
    "seed": 0,
    "run": 0,
    "architectures": 50,
    "log": "cifar10-dagger",
}
TABLE_SETTINGS = {
    "name": None,
    "results": {
        "searches": [["nasbench201", "synflow", [0]]],
        "genotypes": [["nasbench201", "synflow", [0]]],
        "costs": [["t", "nasbench201", "synflow"]],
        "lookups": [["nasbench201", "synflow"]],
        "architecture_scores": [["synflow", 50, 0]],
        "correlations": [["synflow", 50, 0]],
        "rankings": [["nasbench201", "synflow"]],
        "trainings": [["t", "nasbench201", "synflow", 0, 0]],
        "replays": [["cifar10-dagger"]],
        "replay_runs": [],
        "readings": [],
        "numbers": [],
    },
    "searches": [["nasbench201", "synflow", [0]]],
    "left_out": [],
    "sources": [],
    "readings": {"published": {"runs": 3}, "searched": {"source": "synflow", "seeds": 5, "runs": 1}},
    "tasks": {"t": {"trainable": True}},
}
METRICS_VALUE = {
    "error_last": 5.0,
    "error_best": 4.0,
    "top5_error_last": 0.5,
    "epochs": 8,
    "parameters": 1000,
    "images_per_second": 100.0,
    "hours": 0.5,
    "device": "cpu",
}
LOGGED = {"loss": 3.4, "top1": 10.0, "top5": 50.0}
STEP = {"step": 0, "logged": LOGGED, "mean": LOGGED, "std": dict.fromkeys(LOGGED, 0.1), "control": LOGGED, "bound": 0.1}
REPLAY_VALUE = {
    "log": "cifar10-dagger",
    "numbers": ["cifar10/freedarts-dagger"],
    "first": {name: {**LOGGED, "logged": LOGGED, "off": 0.0, "equal": True} for name in ("float64", "float32")},
    "first_equal": True,
    "runs": 3,
    "steps": 1,
    "rows": [{**STEP, "off": 0.0, "control_off": 1.0, "within": True}],
    "curves": {"run1": [3.4], "control": [4.4]},
    "followed_to": 0,
    "verdict": "followed to step 0",
    "devices": ["cpu"],
    "versions": {},
}
COUNTS = {"parameters": 10, "parameters_with_auxiliary": 12, "flops": 20, "macs": 30}
LOOKUP_VALUE = {
    "version": "v1_1",
    "distribution": dict.fromkeys(nasbench201_table.COLUMNS),
    "seeds": {"0": {"index": 5, "accuracies": {"v1_1": dict.fromkeys(nasbench201_table.COLUMNS)}}},
}


def options(given: dict[str, object]) -> list[object]:
    return [part for pair in given.items() for part in pair]


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def assert_refused(done: tuple[int, str], message: str) -> None:
    """One line that says *message*, and no output in out/."""
    status, said = done
    assert status == 1
    assert said.startswith("error: ")
    assert message in said
    assert len(said.splitlines()) == 1 + said.count("\n  ")
    assert not Path("out").exists()
    assert not Path("checkpoints").exists()


class _NoAnswer(io.FileIO):
    """A file of a disk that fails."""

    def readinto(self, *_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    readall = readinto


class FailingReads(ExitStack):
    """Lets readings below *folder* fail, as nobody can be kept from reading who runs as root.

    paths: what is looked at, listed or opened, in turn. From one *at* on, a place in that list or a path, all readings
    of this path fail with errno *number*; EIO comes when the content is asked for."""

    def __init__(self, folder: Path, at: int | str | None = None, number: int = 0):
        super().__init__()
        self.paths, self._folder, self._number = [], folder, number
        self._at, self._failing = at, {at} if isinstance(at, str) else set()
        self._open = io.open

    def __enter__(self) -> list[str]:
        for name in ("stat", "listdir", "scandir"):
            self.enter_context(mock.patch.object(os, name, self._guarded(getattr(os, name))))
        for module in (io, builtins):
            self.enter_context(mock.patch.object(module, "open", self._opened))
        return self.paths

    def _fails(self, path: object) -> bool:
        if isinstance(path, int) or not Path(os.path.abspath(path or "")).is_relative_to(self._folder):
            return False
        self.paths.append(os.path.relpath(path, self._folder))
        if len(self.paths) - 1 == self._at:
            self._failing.add(self.paths[-1])
        return self.paths[-1] in self._failing

    def _guarded(self, function):
        def call(path=".", *rest, **options):
            if self._fails(path):
                raise OSError(self._number, os.strerror(self._number), path)
            return function(path, *rest, **options)

        return call

    def _opened(self, path, mode="r", *rest, **options):
        if "r" not in mode or "+" in mode or not self._fails(path):
            return self._open(path, mode, *rest, **options)
        if self._number != errno.EIO:
            raise OSError(self._number, os.strerror(self._number), path)
        file = io.BufferedReader(_NoAnswer(path))
        return file if "b" in mode else io.TextIOWrapper(file)


def copy_project(target: Path) -> Path:
    target.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / part)
    return target


def pip_install(target: Path) -> Path:
    """What `pip install .` puts into an environment, in an empty folder; the dependencies are this one's."""
    with tempfile.TemporaryDirectory() as source:
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        shutil.copytree(ROOT / "freedarts", Path(source, "freedarts"), ignore=shutil.ignore_patterns("__pycache__"))
        options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", target]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, source], check=True, capture_output=True)
    return target


# Processes are forked from one that has imported what a training or a plan needs, which takes longer than these do.
FORKS = multiprocessing.get_context("forkserver")
COMMANDS = [f"freedarts.commands.{name}" for name in ("retrain", "preflight")]
SNAKEMAKE = ["snakemake.cli", "snakemake_executor_plugin_slurm"]
FORKS.set_forkserver_preload(["pytest", "tests.support", *COMMANDS, *SNAKEMAKE, "sklearn.datasets", "torch._dynamo"])


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "snakemake", *arguments]


def snakemake(project: Path, *arguments: object, check: bool = True) -> str:
    """What snakemake prints in *project*; the library is the copy's, because it stands first on the path. Its jobs are
    forks too; those of `command` are processes, as a user's are."""
    status, output = _forked(_run_snakemake, project, arguments)
    assert (status == 0) == check, output[-4000:]
    return output


def freedarts(project: Path, *arguments: object) -> tuple[int, str]:
    """Exit status of the command in *project*, by the library there, and what it prints."""
    return _forked(_run_command, project, arguments)


def _forked(target: Callable, project: Path, arguments: Iterable[object]) -> tuple[int, str]:
    with tempfile.NamedTemporaryFile() as said:
        given = (project, [str(argument) for argument in arguments], dict(os.environ), said.name)
        process = FORKS.Process(target=target, args=given)
        with chdir(ROOT):
            process.start()
        process.join()
        return process.exitcode, Path(said.name).read_text("utf-8", "surrogateescape")


def _run_command(project: Path, arguments: list[str], environment: dict[str, str], said: str) -> None:
    _begin(project, [str(project)], environment, said)
    sys.argv = ["freedarts", *arguments]
    importlib.import_module("freedarts.__main__").main()


def _run_snakemake(project: Path, arguments: list[str], environment: dict[str, str], said: str) -> None:
    from snakemake import cli

    _begin(project, [str(project)], environment, said)
    sys.argv = ["snakemake", *arguments]
    sys.modules["snakemake.shell"].sp = mock.Mock(wraps=subprocess, Popen=start_job)
    try:
        cli.main()
    finally:
        atexit._run_exitfuncs()  # which multiprocessing leaves out


def _begin(folder: Path, path: list[str], environment: dict[str, str], said: str) -> None:
    """Make of this fork what a new process would be, whose output goes to the file *said*."""
    with open(said, "w") as output:
        _print_to(output.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("freedarts", "scripts")]:
        del sys.modules[name]
    sys.path[:0] = path


def _print_to(descriptor: int) -> None:
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    # As a new process has them: those of the fork wrote to a file.
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115


def start_job(command: str, *, env: dict[str, str], **options) -> "Job | subprocess.Popen":
    """In place of subprocess.Popen, for Snakemake."""
    if job := re.fullmatch(r"set -euo pipefail; +python -m (scripts\.\w+) (.*) > (\S+) 2>&1", command, re.DOTALL):
        module, arguments, said = job.groups()
        return Job(module, shlex.split(arguments), env, shlex.split(said)[0])
    return subprocess.Popen(command, env=env, **options)


class Job:
    """A job of Snakemake in a fork, as far as subprocess.Popen is asked for it."""

    _lock = threading.Lock()  # a fork that has ended can be waited for once, and each start looks at all

    def __init__(self, module: str, arguments: list[str], environment: dict[str, str], said: str):
        self._process = FORKS.Process(target=_run_job, args=(Path.cwd(), module, arguments, environment, said))
        with self._lock:
            self._process.start()
        self.pid, self.kill, self.terminate = self._process.pid, self._process.kill, self._process.terminate

    def wait(self) -> int:
        multiprocessing.connection.wait([self._process.sentinel])
        with self._lock:
            self._process.join()
        return self._process.exitcode


def _run_job(folder: Path, module: str, arguments: list[str], environment: dict[str, str], said: str) -> None:
    _begin(folder, environment["PYTHONPATH"].split(os.pathsep), environment, said)
    sys.argv = [module, *arguments]
    sys.orig_argv = [sys.executable, "-m", module, *arguments]
    importlib.import_module("freedarts.files").run(importlib.import_module(module).main)


def write_overlay(path: Path, content: dict) -> tuple[str, str]:
    """As options of snakemake."""
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return "--configfile", str(path)


def planned(project: Path, *arguments: str) -> set[str]:
    """The outputs of the jobs that snakemake would run."""
    output = snakemake(project, "-n", *arguments)
    found = re.findall(r"^    output: (.*)$", output, re.MULTILINE)
    assert found or "Nothing to be done" in output, output[-2000:]
    return {name.split(", ")[0] for name in found}


def jobs_of(folder: Path, *arguments: object) -> dict[str, int]:
    """How many jobs of each rule a call would run."""
    output = snakemake(folder, *arguments, "--snakefile", ROOT / "Snakefile", "-n", "--quiet", "rules")
    counts = (line.split() for line in output.splitlines() if re.fullmatch(r"[\w-]+ +\d+", line))
    return {rule: int(count) for rule, count in counts if rule != "total"}


def table(project: Path, name: str = "") -> dict[tuple[str, str, str], str]:
    """name: of the configuration."""
    with (project / "results" / name / "tables.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {(row["table"], row["row"], row["column"]): row["value"] for row in rows if row["column"] not in VOLATILE}


def _run_script(name: str, arguments: list[str], output: Connection) -> None:
    os.setsid()
    os.chdir(ROOT)
    _print_to(output.fileno())
    output.close()
    sys.argv = [name, *arguments]
    sys.orig_argv = [sys.executable, "-m", f"scripts.{name}", *arguments]
    files.run(importlib.import_module(f"scripts.{name}").main)


class Script:
    """A script at work in a process and a process group of its own, as subprocess.Popen has it."""

    def __init__(self, name: str, *arguments: object):
        reader, writer = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(target=_run_script, args=(name, [*map(str, arguments)], writer))
        with chdir(ROOT):  # whose modules the first start imports
            self._process.start()
        writer.close()
        self._output = os.fdopen(os.dup(reader.fileno()))
        self.pid, self.kill = self._process.pid, self._process.kill

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> None:
        self._process.join()

    def communicate(self) -> str:
        """What it and those that it started have printed, once all have ended."""
        output = self._output.read()
        self.wait()
        return output

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode


def start_training(folder: Path, output: str = "metrics.json", options: tuple = (), **changes) -> Script:
    genotype = write(folder / "genotype.json", TRAINED_GENOTYPE)
    settings = TINY_TASK | {"protocol": SHORT_PROTOCOL | changes}
    arguments = ["--genotype", genotype, "--task", "tiny", "--run", 3, "--settings", json.dumps(settings)]
    return Script("retrain", *arguments, "--checkpoints", folder / "checkpoints", "--output", folder / output, *options)


def finish_training(folder: Path, **changes) -> str:
    process = start_training(folder, **changes)
    output = process.communicate()
    assert process.returncode == 0, output
    return output


def training_result(folder: Path, name: str = "metrics.json") -> tuple[dict, dict, list]:
    metrics = json.loads((folder / name).read_text())
    rows = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    history = [
        [value for column, value in zip(rows[0], row, strict=True) if "seconds" not in column] for row in rows[1:]
    ]
    weights = {key: tensor.tolist() for key, tensor in load_file(folder / "weights.safetensors").items()}
    return {key: value for key, value in metrics.items() if key not in MEASURED}, weights, history


def wait_for_checkpoints(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(folder.glob("checkpoints/*/step*.pt"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def random_scores(space, draw: random.Random) -> dict:
    return {group: [[draw.random() for _ in space.OPERATIONS] for _ in range(n)] for group, n in space.GATES.items()}


def small_batch(space: str, n: int = 6) -> search.Batch:
    generator = torch.Generator().manual_seed(0)
    size = SMALL[space]["image_size"]
    return torch.randn(n, 3, size, size, generator=generator), torch.randint(5, (n,), generator=generator)


def fingerprint(network: torch.nn.Module) -> list:
    tensors = (*network.parameters(), *network.buffers(), *network.gate_draws.values())
    return [(tensor.clone(), tensor.requires_grad, tensor.grad) for tensor in tensors]


def final_network(name: str) -> torch.nn.Module:
    space = spaces.load(name)
    torch.manual_seed(1)
    return space.network(space.derive(random_scores(space, random.Random(4))), **NETWORKS[name])


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """The scalars of all event files in *folder*: records of a length (8 bytes), its checksum (4), an event, another
    checksum (4)."""
    found = {}
    for path in folder.glob("events.out.tfevents.*"):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + length])
            place += 16 + length
            for value in event.summary.value:
                assert event.step not in found.setdefault(value.tag, {})
                found[value.tag][event.step] = value.simple_value
    return found


def write_results(folder: Path) -> None:
    found = nasbench201.derive(SEARCH_RESULT["scores"]).to_json()
    contents = {
        SEARCH: SEARCH_RESULT,
        GENOTYPE: found,
        COST: {"seeds": {"0": COUNTS}},
        METRICS_PATH: METRICS_VALUE,
        LOOKUP: LOOKUP_VALUE,
        ARCHITECTURE_SCORES: {"architectures": [], "scores": []},
        REPLAY: REPLAY_VALUE,
        CORRELATION: {"version": "v1_1", "accuracies": dict.fromkeys(nasbench201_table.COLUMNS)},
        RANKING: {"version": "v1_1", "architectures": 15625, "seeds": {"0": None}},
    }
    for pattern, content in contents.items():
        write(folder / pattern.format(**NAMES), content)


def call_tables(script, settings: str = json.dumps(TABLE_SETTINGS), **changes) -> tuple[int, str]:
    resources = ROOT / "resources"
    given = {"--numbers": "numbers.yaml", "--objectives": "objectives.yaml", "--published-costs": "costs.yaml"}
    given = {option: resources / name for option, name in given.items()}
    given |= {"--kept-tables": ROOT / KEPT_TABLES, "--output": "out/tables.md"} | changes
    kept = sorted((ROOT / KEPT_REPLAYS).glob("*.json"))
    return script("tables", "--settings", settings, "--kept", *kept, *options(given))


def judge(script, number: str, *readings: str, output: str = "out.json") -> tuple[int, str]:
    """Make the files of the readings, and then that of the number."""
    given = ("--number", number, "--numbers", ROOT / "resources" / "numbers.yaml")
    given += ("--settings", json.dumps({"readings": READINGS}))
    for reading in readings:
        file = kinds.READING.file((number, reading))
        if (done := script("reading", *given, "--reading", reading, "--output", file)) != (0, ""):
            return done
    return script("number", *given, "--output", output)


def looked_up(mean: float | None, version: str = "v1_0", column: str = "cifar10_test") -> dict:
    accuracies = dict.fromkeys(ACCURACIES) | {column: mean and {"mean": mean}}
    seeds = {4: {"index": 6818, "accuracies": {version: accuracies}}}
    return {("nasbench201", "notebook-snip"): {"version": "v1_1", "distribution": {}, "seeds": seeds}}
