"""What a precision means on a device; what becomes of memory that is freed."""

import argparse
import ctypes
import gc
import os
import resource
from pathlib import Path

import pytest
import torch

from freedarts import training
from freedarts.files import InputError
from freedarts.jobs import environment, gpus, memory

CPU = torch.device("cpu")


def test_bf16_needs_a_gpu():
    assert not environment.use_bf16("auto", CPU)
    assert environment.use_bf16("bf16", torch.device("cuda"))
    with pytest.raises(InputError, match=r"--precision bf16 .*: needs a GPU; allowed on the CPU: auto, float32"):
        environment.use_bf16("bf16", CPU)


def tf32() -> tuple[bool, bool]:
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


@pytest.fixture
def gpu(monkeypatch):
    """There is none here, but the switches of torch are."""
    monkeypatch.setattr(gpus, "claim", lambda processes, share: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda rank: None)
    monkeypatch.setattr(environment, "_held", [])
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")


@pytest.mark.parametrize("fastest", [True, False])
def test_a_search_on_a_gpu_is_deterministic_and_measures_no_kernels(monkeypatch, gpu, fastest):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    environment.set_up("cuda", torch.get_num_threads(), fastest=fastest)
    assert (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic) == (fastest, not fastest)
    mode = torch.get_deterministic_debug_mode()
    assert (mode, os.environ.get("CUBLAS_WORKSPACE_CONFIG")) == ((0, None) if fastest else (1, ":4096:8"))


def test_a_training_that_shares_a_gpu_has_its_part_of_the_memory(monkeypatch, gpu):
    parts = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", parts.append)
    for share in (1, 2, 4):
        environment.set_up("cuda", torch.get_num_threads(), fastest=True, share=share)
    assert parts == [0.95 / 2, 0.95 / 4]


@pytest.mark.parametrize("options", [["--share", "0"], ["--share", "2"], ["--share", "2", "--gpus", "2"]])
def test_only_trainings_on_one_gpu_share_it(options):
    parser = argparse.ArgumentParser()
    environment.add_options(parser, several=True)
    with pytest.raises(InputError, match=r"--share \d .*; allowed: 1 and, with --gpus 1, above"):
        environment.engine(parser.parse_args(options))


def test_float32_on_a_gpu_is_float32(monkeypatch, gpu):
    seen = []

    class Watched(torch.nn.Module):
        def forward(self, images):
            seen.append(tf32())
            return images.flatten(1), None

    environment.set_up("cuda", torch.get_num_threads(), fastest=True)
    training.evaluate(Watched(), iter([(torch.zeros(2, 3, 1, 1), torch.tensor([0, 1]))]))
    assert [tf32(), *seen] == [(False, False)] * 2


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc, which gives memory back by itself")
def test_freed_memory_is_used_again_and_can_be_given_back():
    def resident() -> int:
        """MB."""
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20

    memory.keep_freed()
    gc.collect()
    memory.give_back_freed()  # what the tests before left, which a block could take without becoming resident anew
    before = resident()
    torch.ones(100 << 18)  # 100 MB
    kept = resident()
    memory.give_back_freed()
    assert kept > before + 90
    assert resident() < kept - 90
