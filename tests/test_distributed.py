"""Several processes that share every batch train as one does, and are killed, stopped and fail as one."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from safetensors.torch import load_file

from freedarts import spaces, tasks, training
from freedarts.jobs.checkpoints import Checkpoints, Interrupted
from freedarts.spaces import nasbench201
from freedarts.training.processes import ALONE, Group
from tests.support import TINY_TASK, Script, start_training, training_result, wait_for_checkpoints

pytestmark = pytest.mark.long

CPU = torch.device("cpu")
LOSSES = training.Protocol(2, 25, 0.05, "cosine", 0.9, 0.01, 0.5, 0.0, 0.0, 0.1)  # the last batch of 60 has 10


class Without(torch.nn.Module):
    """No batch norm, which would see each process's images apart; and a layer that leads nowhere."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 20), torch.nn.ReLU())
        self.classifier, self.unused = torch.nn.Linear(20, 10), torch.nn.Linear(3, 3)

    def forward(self, images):
        return self.classifier(self.layers(images)), None


def data() -> tasks.Data:
    digits = tasks.load("digits")
    return tasks.Data(
        *(part[:60].contiguous() for part in (digits.train_images, digits.train_labels)),
        *(part[:300] for part in (digits.test_images, digits.test_labels)),
        10,
    )


def train(folder: Path, stop: Callable[[], bool], group: Group = ALONE) -> tuple[list[dict], dict]:
    network = Without()
    job = training.Job(Checkpoints(folder) if group.rank == 0 else None, stop, group=group)
    history = training.train(network, data(), LOSSES, 3, CPU, job=job)
    return history, network.state_dict()


def member(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    torch.save(train(folder / "whole", never, Group(rank, 2)), folder / f"{rank}.pt")
    with pytest.raises(Interrupted, match="stopped in epoch 1, in its test"):
        train(folder / "cut", in_the_test() if rank == 0 else never, Group(rank, 2))
    torch.save(train(folder / "cut", never, Group(rank, 2)), folder / f"{rank}-cut.pt")
    torch.distributed.destroy_process_group()


def never() -> bool:
    return False


def in_the_test() -> Callable[[], bool]:
    """An order to stop after the first of the second test's two batches; it is asked for before each, and after each of
    an epoch's three steps."""
    answers = iter([False] * 9 + [True])
    return lambda: next(answers)


def untimed(history: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if "seconds" not in key} for row in history]


def test_training_that_is_stopped_in_its_test_repeats_only_that(tmp_path):
    history, weights = train(tmp_path / "whole", never)
    with pytest.raises(Interrupted, match="stopped in epoch 1, in its test"):
        train(tmp_path / "cut", in_the_test())
    kept = Checkpoints(tmp_path / "cut").load()
    assert (kept["state"]["epoch"], kept["state"]["step"]) == (1, 3)
    torch.testing.assert_close(kept["network"], weights, rtol=0, atol=0)  # all steps are done
    again, same = train(tmp_path / "cut", never)
    assert untimed(again) == untimed(history)
    torch.testing.assert_close(same, weights, rtol=0, atol=0)
    assert again[1]["train_seconds"] < again[1]["seconds"]


def test_two_processes_take_the_steps_of_one(tmp_path):
    network = Without()
    expected = training.train(network, data(), LOSSES, 3, CPU)
    mp.spawn(member, (tmp_path,), nprocs=2)
    (history, weights), (_, others) = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    (again, resumed), (_, resumed_others) = (torch.load(tmp_path / f"{rank}-cut.pt") for rank in range(2))
    torch.testing.assert_close(weights, network.state_dict(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(weights, others, rtol=0, atol=0)
    assert untimed(again) == untimed(history)
    torch.testing.assert_close((resumed, resumed_others), (weights, others), rtol=0, atol=0)
    for found, row in zip(history, expected, strict=True):
        for key in ("learning_rate", "train_loss", "train_error", "test_loss", "test_error", "test_top5_error"):
            assert found[key] == pytest.approx(row[key], rel=1e-5), key


def two(folder: Path, output: str = "metrics.json", **changes) -> Script:
    return start_training(folder, output, options=("--processes", "2"), **{"epochs": 3} | changes)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    process = two(folder)
    output = process.communicate()
    assert process.returncode == 0, output
    assert "Warning" not in output
    return training_result(folder)


def test_killed_and_stopped_training_of_two_ends_bit_equal(tmp_path, uninterrupted):
    process = two(tmp_path)
    wait_for_checkpoints(tmp_path, 1)
    process.kill()
    process.communicate()  # returns when the other process, which has the same output, has ended too
    process = two(tmp_path)
    wait_for_checkpoints(tmp_path, 2)
    process.send_signal(signal.SIGUSR1)
    output = process.communicate()
    assert process.returncode == 75, output
    process = two(tmp_path)
    output = process.communicate()
    assert process.returncode == 0, output
    assert training_result(tmp_path) == uninterrupted
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["processes"] == 2
    assert len(load_file(tmp_path / "weights.safetensors")) == len(
        spaces.load("nasbench201").network(nasbench201.from_index(6818), **TINY_TASK["network"]).state_dict()
    )


def test_second_group_on_one_training_stops_with_one_message(tmp_path):
    process = two(tmp_path, epochs=100)
    wait_for_checkpoints(tmp_path, 1)
    second = two(tmp_path, "second.json", epochs=100)
    output = second.communicate()
    assert second.returncode == 1
    assert output.count("error: ") == 1
    assert "another process is at work on it" in output
    process.kill()
    process.communicate()


def children(process: Script) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_training_ends_when_one_of_its_processes_dies(tmp_path):
    process = two(tmp_path, epochs=100)
    wait_for_checkpoints(tmp_path, 1)
    (other,) = children(process)
    subprocess.run(["kill", "-9", str(other)], check=True)
    output = process.communicate()
    assert process.returncode == 1
    assert "error: process 1 of the training got signal 9" in output
    assert "Traceback" not in output


def test_first_process_says_why_it_fails(tmp_path):
    """The others, which wait for it, are ended without a word."""
    process = start_training(tmp_path, options=("--processes", "3"), learning_rate=1e30)
    output = process.communicate()
    assert process.returncode == 1
    assert output.count("error: ") == 1
    assert "error: train_loss is nan in epoch 0: the training has diverged" in output


def test_batch_too_small_for_the_processes_is_refused_once(tmp_path):
    process = start_training(tmp_path, options=("--processes", "9"), batch_size=8)
    output = process.communicate()
    assert process.returncode == 1
    assert output.count("error: ") == 1
    assert "gpus: 9, but the last batch has 5 images for them" in output
