"""Files in the benchmark's format with made-up numbers, and what comes of them."""

from pathlib import Path

import pytest
import torch

from freedarts.nasbench201.query import Table
from tests.nasbench201 import file as generated


@pytest.fixture(scope="module")
def contents() -> dict:
    """Architectures with one, two and three trials of 200 epochs."""
    return generated.contents(generated.INDICES)


@pytest.fixture(scope="module")
def legacy(contents, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("legacy") / "legacy.pth"
    generated.write_legacy(path, contents)
    return path


@pytest.fixture(scope="module")
def zipped(contents, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("zip") / "zip.pth"
    torch.save(contents, path)
    return path


@pytest.fixture(scope="module")
def nats_bench(contents, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("nats") / "NATS-tss-v1_0-3ffb9-simple"
    generated.write_nats_bench(path, contents)
    return path


@pytest.fixture(scope="module")
def table(legacy, tmp_path_factory) -> Table:
    return Table(generated.convert(legacy, tmp_path_factory.mktemp("table"))[1])
