"""A training that is killed, stopped or damaged goes on, and ends as one that never was."""

import fcntl
import hashlib
import json
import multiprocessing
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch._dynamo  # noqa: F401, which trainings import late: the copies below begin with it
from torchvision.datasets import CIFAR10

from freedarts import training
from freedarts.files import InputError, read_json
from freedarts.jobs import driver
from freedarts.jobs.checkpoints import Interrupted, StopSignals
from freedarts.jobs.environment import Engine, set_up
from freedarts.tasks import cifar, cifar10, digits
from freedarts.training import retrain
from tests.support import (
    FORKS,
    ROOT,
    SHORT_PROTOCOL,
    TINY_TASK,
    TRAINED_GENOTYPE,
    finish_training,
    start_training,
    training_result,
    wait_for_checkpoints,
    write,
)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    finish_training(folder)
    return folder


def test_files_of_a_training_are_for_whom_the_umask_lets(finished, tmp_path):
    (tmp_path / "new").touch()
    modes = {path.name: path.stat().st_mode for path in finished.rglob("*") if path.is_file()}
    assert {"metrics.json", "weights.safetensors", "lock"} < set(modes)
    assert set(modes.values()) == {(tmp_path / "new").stat().st_mode}


def steps(folder: Path) -> int:
    """That are saved of the training in *folder*."""
    return max((int(path.stem.removeprefix("step")) for path in folder.glob("checkpoints/*/step*.pt")), default=0)


RANDOM_TASK = {
    "space": "darts",
    "dataset": "digits",
    "network": {"channels": 4, "cells": 3, "stem_kind": "cifar", "image_size": 32, "classes": 10, "auxiliary": True},
    "protocol": SHORT_PROTOCOL | {"epochs": 12, "batch_size": 12, "drop_path": 0.5, "auxiliary_weight": 0.4},
}


def train_at_random(folder: Path) -> None:
    """48 steps of a DARTS network with all that draws random numbers, each of them saved."""
    whole = digits.load()
    parts = ("train_images", "train_labels", "test_images", "test_labels")
    few = replace(whole, **{part: getattr(whole, part)[:48] for part in parts}, train=cifar.augment)
    digits.load = lambda folder: few
    training.SAVE_EVERY = 0
    genotype = ROOT / "resources/genotypes/darts-v2/darts-8/seed0.json"
    job = retrain.Run(genotype, "random", RANDOM_TASK, 3)
    retrain.retrain(job, Engine(set_up("cpu", 1)), folder / "checkpoints", lambda: False, folder / "metrics.json")


def test_killed_training_ends_bit_equal(tmp_path):
    def begin(name: str) -> multiprocessing.Process:
        process = FORKS.Process(target=train_at_random, args=(tmp_path / name,))
        process.start()
        return process

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    running = [begin("whole")]
    moments, killed_at = random.Random(1), [0]
    while len(killed_at) < 6:
        running.append(begin("cut"))
        further = killed_at[-1] + moments.randint(1, 5)
        deadline = time.monotonic() + 60
        while steps(cut) < further:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.03))
        running[-1].kill()
        running[-1].join()
        assert running[-1].exitcode == -signal.SIGKILL
        killed_at.append(steps(cut))
    assert killed_at == sorted(set(killed_at))  # each time after new steps
    assert killed_at[-1] < 48
    assert any(step % 4 for step in killed_at)  # within an epoch
    for process in (running[0], begin("cut")):
        process.join()
        assert process.exitcode == 0
    assert training_result(cut) == training_result(whole)


@pytest.mark.parametrize("number", StopSignals.NUMBERS)
def test_stopped_training_saves_within_the_epoch_and_goes_on(tmp_path, finished, number):
    process = start_training(tmp_path)
    wait_for_checkpoints(tmp_path, 1)
    process.send_signal(number)
    output = process.communicate()
    assert process.returncode == 75, output
    assert "stopped in epoch" in output
    assert not (tmp_path / "metrics.json").exists()
    assert steps(tmp_path) % 23  # 1,437 images in batches of 64: not at the end of an epoch
    finish_training(tmp_path)
    assert training_result(tmp_path) == training_result(finished)


@pytest.fixture
def few_cifar(tmp_path, monkeypatch) -> Path:
    """A data set whose files are laid out as those of CIFAR-10, with its manifest beside it."""
    draw, digests = np.random.default_rng(0), {}
    folder = tmp_path / "data" / "cifar10" / CIFAR10.base_folder
    folder.mkdir(parents=True)
    for name in ("data_batch_1", "test_batch", "batches.meta"):
        part = {"data": draw.integers(0, 256, (48, 3072), np.uint8), "labels": [n % 10 for n in range(48)]}
        (folder / name).write_bytes(pickle.dumps(part | {"label_names": [*"abcdefghij"]}))
        digests[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()

    class Few(CIFAR10):
        train_list, test_list = ([(name, digests[name])] for name in ("data_batch_1", "test_batch"))
        meta = CIFAR10.meta | {"md5": digests["batches.meta"]}

    monkeypatch.setattr(cifar10, "SOURCE", Few)
    return tmp_path / "data" / "cifar10.json"


def test_training_goes_on_beside_a_stray_file_in_the_folder_of_its_images(few_cifar, script, tmp_path):
    """The archive, or what a Mac leaves there; the manifest is made again, as after a touch of the data."""
    settings = TINY_TASK | {"dataset": "cifar10", "protocol": SHORT_PROTOCOL | {"batch_size": 12}}
    job = retrain.Run(write(tmp_path / "genotype.json", TRAINED_GENOTYPE), "tiny", settings, 0, data=few_cifar)

    def train(folder: str, stops: Callable[[int], bool]) -> int:
        """How many batches, of training and tests, it took."""
        assert script("download", "--dataset", "cifar10", "--output", few_cifar) == (0, "")
        asked = count(1)
        with suppress(Interrupted):
            checkpoints, output = (tmp_path / folder / name for name in ("checkpoints", "metrics.json"))
            retrain.retrain(job, Engine(set_up("cpu", 1)), checkpoints, lambda: stops(next(asked)), output)
        return next(asked) - 1

    whole, stopped = train("whole", lambda asked: False), train("cut", lambda asked: asked == 7)
    for stray in (".DS_Store", "cifar-10-python.tar.gz", "cifar-10-batches-py/.DS_Store"):
        write(few_cifar.with_suffix("") / stray, "stray")
    assert train("cut", lambda asked: False) == whole - stopped
    assert len(list((tmp_path / "cut" / "checkpoints").iterdir())) == 1
    assert training_result(tmp_path / "cut") == training_result(tmp_path / "whole")


def test_truncated_newest_checkpoint_falls_back(tmp_path, finished):
    process = start_training(tmp_path)
    wait_for_checkpoints(tmp_path, 2)
    process.kill()
    process.wait()
    newest = max(tmp_path.glob("checkpoints/*/step*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    partial = newest.with_name(f".{newest.name}.1")
    partial.touch()
    assert f"{newest}: skipped" in finish_training(tmp_path)
    assert not partial.exists()
    assert training_result(tmp_path) == training_result(finished)


def test_finished_training_writes_its_results_again_without_an_epoch(tmp_path, finished):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    peak = json.loads((tmp_path / "metrics.json").read_text())["peak_memory_mb"]
    assert 1 < peak < 2000
    for name in ("metrics.json", "weights.safetensors", "history.csv"):
        (tmp_path / name).unlink()
    saved = {path: path.stat().st_mtime_ns for path in tmp_path.glob("checkpoints/*/step*.pt")}
    finish_training(
        tmp_path, **read_json(tmp_path / "protocol.json")["protocol"]
    )  # defaults written out are no other protocol
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("checkpoints/*/step*.pt")} == saved
    assert json.loads((tmp_path / "metrics.json").read_text())["peak_memory_mb"] == peak
    assert training_result(tmp_path) == training_result(finished)


def test_changed_protocol_starts_anew(tmp_path):
    finish_training(tmp_path, epochs=1)
    finish_training(tmp_path, epochs=1, learning_rate=0.06)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    rate = (tmp_path / "history.csv").read_text().splitlines()[1].split(",")[1]
    assert float(rate) == 0.06


def test_one_genotype_of_two_searches_is_trained_twice_at_the_same_time(tmp_path):
    others = [start_training(tmp_path, f"{seed}/metrics.json", ("--seed", str(seed)), epochs=1) for seed in range(2)]
    for process in others:
        output = process.communicate()
        assert process.returncode == 0, output
    found = [json.loads((tmp_path / f"{seed}/metrics.json").read_text()) for seed in range(2)]
    assert [(metrics["run"], metrics["training_seed"]) for metrics in found] == [(3, 3), (3, 1003)]
    assert (tmp_path / "0/weights.safetensors").read_bytes() != (tmp_path / "1/weights.safetensors").read_bytes()


def test_second_process_on_the_same_training_stops(tmp_path, finished):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    (folder,) = (tmp_path / "checkpoints").iterdir()
    with (folder / "lock").open("a") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        process = start_training(tmp_path, "second.json")
        output = process.communicate()
    assert process.returncode == 1
    assert f"error: {folder}: another process is at work on it" in output
    assert not (tmp_path / "second.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say which processes there are")
def test_job_that_comes_to_work_after_its_driver_died_ends(monkeypatch):
    namespace = os.readlink("/proc/self/ns/pid")
    monkeypatch.setenv(driver.DRIVER, f"{os.getpid()}@{namespace}")
    driver.stop_with_driver()  # it lives
    process = subprocess.Popen([sys.executable, "-c", ""])
    monkeypatch.setenv(driver.DRIVER, f"{process.pid}@{namespace}")
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, a zombie
    for _ in range(2):
        with pytest.raises(InputError, match="the Snakemake that started this job is gone"):
            driver.stop_with_driver()
        process.wait()
    for elsewhere in (f"{process.pid}@pid:[1]", str(process.pid), ""):  # in a container, by hand
        monkeypatch.setenv(driver.DRIVER, elsewhere)
        driver.stop_with_driver()
