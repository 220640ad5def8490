"""Trainings whose images other processes read: signals to all of them, and kill -9 of the first."""

import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from freedarts.tasks import own
from tests.support import ROOT, TINY_TASK, TRAINED_GENOTYPE, training_result, write

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say who is whose child"),
]

SIZE = 112  # from 97 on images are read in every epoch
SETTINGS = TINY_TASK | {
    "dataset": "noise",
    "network": TINY_TASK["network"] | {"image_size": SIZE, "classes": 2},
    "protocol": TINY_TASK["protocol"] | {"epochs": 3, "batch_size": 4, "color_jitter": True},
}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """The manifest of a small image folder."""
    folder = tmp_path_factory.mktemp("images")
    draw = np.random.default_rng(0)
    for part, count in (("train", 60), ("test", 4)):
        for name in ("a", "b"):
            path = folder / "noise" / part / name
            path.mkdir(parents=True)
            for index in range(count):
                Image.fromarray(draw.integers(0, 256, (120, 130, 3), dtype=np.uint8)).save(path / f"{index}.png")
    settings = json.dumps({"folder": str(folder / "noise"), "image_size": SIZE})
    command = [sys.executable, "-m", "scripts.read_images", "--settings", settings, "--output", folder / "noise.json"]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder / "noise.json"


def start(folder: Path, images: Path) -> subprocess.Popen:
    """A training in a process group of its own; those that read are no children of one that is forked."""
    genotype = write(folder / "genotype.json", TRAINED_GENOTYPE)
    arguments = ["--genotype", genotype, "--task", "tiny", "--run", 0, "--settings", json.dumps(SETTINGS)]
    arguments += ["--data", images, "--workers", 2, "--checkpoints", folder / "checkpoints"]
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.retrain", *map(str, arguments), "--output", str(folder / "metrics.json")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(folder: Path, images: Path) -> tuple:
    process = start(folder, images)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return training_result(folder)


def wait_for_readers(process: subprocess.Popen, folder: Path) -> Path:
    """Wait until the training has saved an epoch and others read for it again. Returns its checkpoints."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 120
    while not list(folder.glob("checkpoints/*/step*.pt")) or len(children.read_text().split()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return next((folder / "checkpoints").iterdir())


@pytest.fixture(scope="module")
def uninterrupted(images, tmp_path_factory) -> tuple:
    return finish(tmp_path_factory.mktemp("uninterrupted"), images)


def test_those_that_read_obey_the_training_alone(images):
    batches = own.load(images, 1).train_batches(torch.arange(24).split(4), seed=0)
    next(batches)
    (reader,) = multiprocessing.active_children()
    for number in ("TERM", "USR1", "INT"):
        subprocess.run(["kill", f"-{number}", str(reader.pid)], check=True)
    assert len(list(batches)) == 5
    batches = own.load(images, 1).train_batches(torch.arange(24).split(4), seed=0)
    next(batches)
    (reader,) = multiprocessing.active_children()
    reader.terminate()  # as Python does with those that are left when it ends
    reader.join(30)
    assert reader.exitcode == 0


def test_stop_signal_to_all_processes_saves_and_goes_on(tmp_path, images, uninterrupted):
    process = start(tmp_path, images)
    wait_for_readers(process, tmp_path)
    os.killpg(process.pid, signal.SIGTERM)
    output, _ = process.communicate()
    assert process.returncode == 75, output
    assert "stopped in epoch" in output
    assert "Traceback" not in output
    assert finish(tmp_path, images) == uninterrupted


def test_killed_training_can_be_started_at_once(tmp_path, images, uninterrupted):
    process = start(tmp_path, images)
    folder = wait_for_readers(process, tmp_path)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 1  # the kernel kills the others a moment later
    with (folder / "lock").open() as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < deadline, "those that read still hold the lock"
                time.sleep(0.01)
    assert finish(tmp_path, images) == uninterrupted
