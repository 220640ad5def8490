"""Fixtures that several tests need."""

from pathlib import Path

import pytest
import torch
import yaml

from freedarts.catalogue import Catalogue

ROOT = Path(__file__).parents[1]

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


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def config() -> dict:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def catalogue(config) -> Catalogue:
    return Catalogue(config, ROOT / "config" / "schema.yaml", ROOT / "resources")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Facts about the paper's release, where the project is built; nothing else depends on them."""
    folder = ROOT.parent / "shared"
    if not folder.exists():
        pytest.skip("no ../shared with the facts here")
    return folder
