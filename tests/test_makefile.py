"""Which torch the first command installs, with stand-ins for pip, uv and nvidia-smi."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT


def program(path: Path, status: int = 0) -> None:
    path.write_text(f'#!/bin/sh\necho "$(basename "$0") $*" >> called\nexit {status}\n')
    path.chmod(0o755)


@pytest.fixture
def make(tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy2(ROOT / name, tmp_path)
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    others = tmp_path / "bin"
    others.mkdir()
    for name in ("sh", "bash", "make", "grep", "touch", "test", "echo", "basename", "python3"):
        (others / name).symlink_to(shutil.which(name))
    program(folder / "pip")

    def call(*arguments: str, **programs: int) -> tuple[str, list[str]]:
        """What is said of torch, and the calls for it."""
        for name, status in programs.items():
            program(folder / name.replace("_", "-"), status)
        environment = {**os.environ, "PATH": str(others)}
        command = ["make", "environment", "PYTHON=python3", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        (said,) = [line for line in done.stdout.splitlines() if line.startswith("torch: ")]
        calls = (tmp_path / "called").read_text().splitlines()
        assert calls[-2:] == ["pip install -r requirements.lock", "pip install --no-build-isolation --no-deps -e ."]
        return said, calls[:-2]

    return call


def pinned(*names: str) -> str:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return " ".join(line for line in lines if line.partition("==")[0] in names)


def test_without_an_nvidia_gpu_torch_comes_without_cuda(make):
    said, (first, second) = make(uv=0)
    assert said == "torch: without CUDA, because nvidia-smi is not here"
    assert first == f"pip install -q {pinned('uv')}"
    assert second.startswith("uv pip install")
    assert second.endswith(f"--torch-backend=cpu {pinned('torch', 'torchvision')}")


def test_with_one_it_is_the_default_index_s(make):
    assert make(uv=0, nvidia_smi=0) == ("torch: with CUDA, because nvidia-smi is here", [])


def test_the_login_node_of_a_cluster_says_nothing_of_its_nodes(make):
    assert make(uv=0, sbatch=0) == ("torch: with CUDA, because sbatch is here, whose nodes may have GPUs", [])


def test_where_the_other_index_cannot_be_reached_it_is_the_default_index_s(make):
    said, _ = make(uv=1)
    assert said == "torch: as the default index has it, because the index without CUDA cannot be reached"


def test_the_user_s_index_decides(make):
    said, calls = make("TORCH_INDEX=https://a.b/c", uv=0, nvidia_smi=0)
    assert said == "torch: from TORCH_INDEX"
    assert calls == [f"pip install --index-url https://a.b/c {pinned('torch', 'torchvision')}"]
