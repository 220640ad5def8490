"""Fixtures that several tests need."""

import gc
import importlib
import json
import signal
import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import pytest
import torch
import yaml

from freedarts import files
from freedarts.jobs.checkpoints import StopSignals
from freedarts.spaces import nasbench201
from freedarts.study.catalogue import Catalogue

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "config" / "schema.yaml"

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


def pytest_collection_modifyitems(items):
    """The longest run begins first, so that other processes work beside it."""
    items.sort(key=lambda item: (item.path.stem != "test_workflow", not item.get_closest_marker("workflow")))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


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


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Call a script's main in *tmp_path*, on a machine without a GPU: (exit status, what it says)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    handlers = {number: signal.getsignal(number) for number in StopSignals.NUMBERS}
    threads = torch.get_num_threads()

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

    yield call
    gc.unfreeze()
    torch.set_deterministic_debug_mode("default")
    torch.set_num_threads(threads)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def options(given: dict[str, object]) -> list[object]:
    return [part for pair in given.items() for part in pair]


def assert_refused(done: tuple[int, str], message: str) -> None:
    """One line that says *message*, and no output in out/."""
    status, said = done
    assert status == 1
    assert said.startswith("error: ")
    assert message in said
    assert len(said.splitlines()) == 1 + said.count("\n  ")
    assert not Path("out").exists()
    assert not Path("checkpoints").exists()


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path
