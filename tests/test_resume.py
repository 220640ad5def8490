"""A training that is killed, stopped or damaged goes on, and ends as one that never was."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from freedarts import driver
from freedarts.files import InputError
from tests.conftest import ROOT, TINY_TASK

PROTOCOL = TINY_TASK["protocol"] | {"epochs": 4, "batch_size": 64, "label_smoothing": 0.1}
TIMES = ("images_per_second", "hours", "commit")


def start(folder: Path, output: str = "metrics.json", options: tuple = (), **changes) -> subprocess.Popen:
    genotype = folder / "genotype.json"
    genotype.write_text(
        '{"space": "nasbench201", '
        '"arch": "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"}'
    )
    settings = TINY_TASK | {"protocol": PROTOCOL | changes}
    arguments = ["--genotype", genotype, "--task", "tiny", "--run", "3", "--settings", json.dumps(settings)]
    arguments += ["--checkpoints", folder / "checkpoints", "--output", folder / output, *options]
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.retrain", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(folder: Path, **changes) -> str:
    process = start(folder, **changes)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def result(folder: Path, name: str = "metrics.json") -> tuple[dict, dict, list]:
    metrics = json.loads((folder / name).read_text())
    rows = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    history = [
        [value for column, value in zip(rows[0], row, strict=True) if "seconds" not in column] for row in rows[1:]
    ]
    weights = {key: tensor.tolist() for key, tensor in load_file(folder / "weights.safetensors").items()}
    return {key: value for key, value in metrics.items() if key not in TIMES}, weights, history


def wait_for_checkpoints(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(folder.glob("checkpoints/*/step*.pt"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    finish(folder)
    return result(folder)


def test_killed_training_ends_bit_equal(tmp_path, uninterrupted):
    moments = random.Random(1)
    kills = 0
    while kills < 5:
        process = start(tmp_path)
        time.sleep(moments.uniform(3, 5))
        if process.poll() is not None:  # it was quicker: start over, nothing was killed
            for path in tmp_path.glob("checkpoints/*/step*.pt"):
                path.unlink()
            continue
        process.kill()
        process.wait()
        kills += 1
    finish(tmp_path)
    assert result(tmp_path) == uninterrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_stopped_training_saves_within_the_epoch_and_goes_on(tmp_path, uninterrupted, number):
    process = start(tmp_path)
    wait_for_checkpoints(tmp_path, 1)
    process.send_signal(number)
    output, _ = process.communicate()
    assert process.returncode == 75, output
    assert "stopped in epoch" in output
    assert not (tmp_path / "metrics.json").exists()
    steps = max(int(path.stem.removeprefix("step")) for path in tmp_path.glob("checkpoints/*/step*.pt"))
    assert steps % 23  # 1,437 images in batches of 64: not at the end of an epoch
    finish(tmp_path)
    assert result(tmp_path) == uninterrupted


def test_truncated_newest_checkpoint_falls_back(tmp_path, uninterrupted):
    process = start(tmp_path)
    wait_for_checkpoints(tmp_path, 2)
    process.kill()
    process.wait()
    newest = max(tmp_path.glob("checkpoints/*/step*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    assert f"{newest}: skipped" in finish(tmp_path)
    assert result(tmp_path) == uninterrupted


def test_finished_training_writes_its_results_again_without_an_epoch(tmp_path, uninterrupted):
    finish(tmp_path)
    for name in ("metrics.json", "weights.safetensors", "history.csv"):
        (tmp_path / name).unlink()
    saved = {path: path.stat().st_mtime_ns for path in tmp_path.glob("checkpoints/*/step*.pt")}
    finish(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("checkpoints/*/step*.pt")} == saved
    assert result(tmp_path) == uninterrupted


def test_changed_protocol_starts_anew(tmp_path):
    finish(tmp_path, epochs=1)
    finish(tmp_path, epochs=1, learning_rate=0.06)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    rate = (tmp_path / "history.csv").read_text().splitlines()[1].split(",")[1]
    assert float(rate) == 0.06


def test_one_genotype_of_two_searches_is_trained_twice_at_the_same_time(tmp_path):
    others = [start(tmp_path, f"{seed}/metrics.json", ("--seed", str(seed)), epochs=1) for seed in range(2)]
    for process in others:
        output, _ = process.communicate()
        assert process.returncode == 0, output
    found = [json.loads((tmp_path / f"{seed}/metrics.json").read_text()) for seed in range(2)]
    assert [(metrics["run"], metrics["training_seed"]) for metrics in found] == [(3, 3), (3, 1003)]
    assert (tmp_path / "0/weights.safetensors").read_bytes() != (tmp_path / "1/weights.safetensors").read_bytes()


def test_second_process_on_the_same_training_stops(tmp_path):
    finish(tmp_path, epochs=1)
    (folder,) = (tmp_path / "checkpoints").iterdir()
    with (folder / "lock").open("a") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        process = start(tmp_path, "second.json", epochs=1)
        output, _ = process.communicate()
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
