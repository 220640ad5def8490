"""Fixtures that several tests need."""

import gc
import importlib
import signal
import subprocess
import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from freedarts import files, tasks
from freedarts.jobs.checkpoints import StopSignals
from freedarts.study.catalogue import Catalogue
from freedarts.tasks import Data
from tests.support import ROOT, copy_project, snakemake, write, write_results

HANDLERS = {number: signal.getsignal(number) for number in StopSignals.NUMBERS}


def pytest_collection_modifyitems(items):
    """The longest begin first, so that other processes work beside them until the end."""
    longest = ("test_docs", "test_reruns", "test_workflow", "test_resume", "test_distributed", "test_search")
    places = {name: place for place, name in enumerate(longest)}
    slow = {item.path for item in items if item.get_closest_marker("workflow")}
    items.sort(key=lambda item: (places.get(item.path.stem, len(longest)), item.path not in slow))


@pytest.fixture(autouse=True)
def fresh_process():
    """What a job sets for the whole of its process ends with the test, or the fixture, that ran it in this one."""
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("default")
    torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    gc.unfreeze()
    for number, handler in HANDLERS.items():
        signal.signal(number, handler)


@pytest.fixture
def config() -> dict:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def catalogue(config) -> Catalogue:
    return Catalogue(config, ROOT)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Facts about the paper's release, where the project is built; nothing else depends on them."""
    folder = ROOT.parent / "shared"
    if not folder.exists():
        pytest.skip("no ../shared with the facts here")
    return folder


@pytest.fixture(scope="session")
def cifar10(shared, tmp_path_factory) -> Path:
    """Manifest of the real CIFAR-10."""
    folder = tmp_path_factory.mktemp("data")
    subprocess.run([sys.executable, shared / "cifar10" / "unpack.py", folder / "cifar10"], check=True)
    write(folder / "cifar10.json", {"dataset": "cifar10"})
    return folder / "cifar10.json"


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Call a script's main in *tmp_path*, on a machine without a GPU: (exit status, what it says)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def call(name: str, *arguments: object) -> tuple[int, str]:
        module = importlib.import_module(f"scripts.{name}")
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        said = StringIO()
        try:
            with redirect_stderr(said):
                files.run(module.main)
        except SystemExit as end:
            return (1, str(end.code)) if isinstance(end.code, str) else (end.code, said.getvalue())
        return 0, said.getvalue()

    return call


@pytest.fixture(scope="session")
def quick(tmp_path_factory) -> Path:
    """The default configuration, run from nothing. Tests that change it take a copy."""
    project = copy_project(tmp_path_factory.mktemp("quick") / "project")
    snakemake(project, "results/tables.md")
    return project


@pytest.fixture
def imagenet_folder(tmp_path) -> Path:
    """With its manifest beside it."""
    counts = {part: {"images": dict.fromkeys("abcde", count)} for part, count in (("train", 4), ("val", 2))}
    write(tmp_path / "imagenet.json", {"dataset": "imagenet", **counts})
    draw = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 2)):
        for name in ("a", "b", "c", "d", "e"):
            path = tmp_path / "imagenet" / part / name
            path.mkdir(parents=True)
            for index in range(count):
                pixels = draw.integers(0, 256, (240, 260, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path / f"{index}.png")
    return tmp_path / "imagenet"


@pytest.fixture(scope="session")
def few_digits() -> Data:
    digits = tasks.load("digits")
    return Data(
        digits.train_images[:60], digits.train_labels[:60], digits.test_images[:40], digits.test_labels[:40], 10
    )


@pytest.fixture
def results(tmp_path) -> Path:
    """A folder with what the tables read."""
    write_results(tmp_path)
    return tmp_path
