"""Jobs on one machine never use one GPU twice, and a job that dies leaves its GPU to the others."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from freedarts.files import InputError
from freedarts.jobs import gpus
from tests.support import ROOT

JOB = """
import os, sys, time
from pathlib import Path
from freedarts.jobs import gpus

folder = Path(sys.argv[1])
held = gpus.claim(int(sys.argv[3]), folder / "locks")
device = os.environ["CUDA_VISIBLE_DEVICES"]
marks = [folder / f"uses-{each}" for each in device.split(",")]
for mark in marks:
    mark.mkdir()  # fails where another job uses the device
print(device, flush=True)
time.sleep(float(sys.argv[2]))
for mark in marks:
    mark.rmdir()
"""


def job(folder: Path, devices: str, seconds: float, count: int = 1) -> subprocess.Popen:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": devices}
    command = [sys.executable, "-c", JOB, str(folder), str(seconds), str(count)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=-1, stderr=-1)


def test_nine_jobs_share_three_devices(tmp_path):
    jobs = [job(tmp_path, "0,1,2", 0.2) for _ in range(9)]
    outputs = [process.communicate(timeout=60) for process in jobs]
    assert [process.returncode for process in jobs] == [0] * 9, outputs
    used = [output.splitlines()[-1] for output, _ in outputs]
    assert set(used) == {"0", "1", "2"}


@pytest.mark.long
def test_jobs_that_want_several_devices_do_not_wait_for_each_other_for_ever(tmp_path):
    jobs = [job(tmp_path, devices, 0.2, 2) for devices in ("0,1,2", "2,1,0") * 3]
    outputs = [process.communicate(timeout=60) for process in jobs]
    assert [process.returncode for process in jobs] == [0] * 6, outputs
    assert all(len(output.splitlines()[-1].split(",")) == 2 for output, _ in outputs)


def taken(folder: Path, devices: list[str], **options) -> tuple[list[str], list] | None:
    """None where it would have to wait."""
    try:
        return gpus.take(devices, folder=folder, seconds=0, **options)
    except InputError:
        return None


def test_jobs_that_share_have_a_device_together_and_not_with_one_that_asks_for_all_of_it(tmp_path):
    first, second = (taken(tmp_path, ["a"], share=2) for _ in range(2))
    assert first[0] == second[0] == ["a"]
    assert taken(tmp_path, ["a"], share=2) is None
    assert taken(tmp_path, ["a"]) is None
    third = taken(tmp_path, ["a", "b"], share=2)
    assert third[0] == ["b"]
    for file in first[1]:
        file.close()
    assert taken(tmp_path, ["a"]) is None
    again = taken(tmp_path, ["a"], share=2)
    for file in (*second[1], *again[1]):
        file.close()
    whole = taken(tmp_path, ["a"])
    assert whole[0] == ["a"]
    assert taken(tmp_path, ["a"], share=2) is None


def test_more_devices_than_there_are_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(InputError, match=r"--gpus 3: only 2 can be used here \(0, 1\)"):
        gpus.claim(3, tmp_path / "locks")


def test_jobs_take_only_what_they_may_see(tmp_path):
    jobs = [job(tmp_path, devices, 0.5) for devices in ("GPU-a,GPU-b", "GPU-b")]
    used = [process.communicate(timeout=60)[0].splitlines()[-1] for process in jobs]
    assert used[1] == "GPU-b"
    assert [process.returncode for process in jobs] == [0, 0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_device_of_a_killed_job_is_free(tmp_path, number):
    first = job(tmp_path, "0", 60)
    assert first.stdout.readline() == "0\n"
    with pytest.raises(InputError, match="GPU 0: in use by other jobs"):
        gpus.take(["0"], 1, tmp_path / "locks", seconds=0)
    (tmp_path / "uses-0").rmdir()
    second = job(tmp_path, "0", 0)
    assert second.stdout.readline() == "GPU 0: in use by other jobs; this one waits\n"
    first.send_signal(number)
    first.communicate()
    assert second.communicate(timeout=60)[0] == "0\n"


def test_a_device_waits_for_the_time_given(tmp_path):
    _, (held,) = gpus.take(["a"], 1, tmp_path)
    start = time.monotonic()
    with pytest.raises(InputError):
        gpus.take(["a"], 1, tmp_path, seconds=0.3)
    assert time.monotonic() - start >= 0.3
    assert gpus.take(["a", "b"], 1, tmp_path)[0] == ["b"]
    held.close()
    assert gpus.take(["a"], 1, tmp_path, seconds=0)[0] == ["a"]


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A machine with NVIDIA's driver, and as many GPUs as there are UUIDs."""

    def install(*uuids: str, instances: tuple[str, ...] = ()) -> None:
        lines = [f"GPU {i}: NVIDIA X (UUID: {uuid})" for i, uuid in enumerate(uuids)]
        lines += [f"  MIG 1g.5gb     Device  {i}: (UUID: {uuid})" for i, uuid in enumerate(instances)]  # of the last
        folder = tmp_path / "-".join(uuids)
        folder.mkdir()
        (folder / "nvidia-smi").write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
        (folder / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # so that it is as before in the end
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    return install


@pytest.mark.parametrize(
    ("given", "devices"),
    [
        (None, ["GPU-1a2b-x", "GPU-1a3c-y"]),
        ("1, GPU-1a2b-x,7", ["GPU-1a3c-y", "GPU-1a2b-x", "7"]),
        ("GPU-1a2b", ["GPU-1a2b-x"]),
        ("1,GPU-1a3c-y,GPU-1a3", ["GPU-1a3c-y"]),
        ("GPU-1a", ["GPU-1a"]),  # CUDA takes no beginning that several have
        ("", []),
        ("-1", []),
        ("GPU-1a2b,-1,1", ["GPU-1a2b-x"]),  # what follows is hidden
    ],
)
def test_each_visible_device_has_one_name(driver, tmp_path, monkeypatch, given, devices):
    driver("GPU-1a2b-x", "GPU-1a3c-y")
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert gpus.visible() == devices
    held = gpus.claim(len(devices), tmp_path / "locks")
    assert os.environ.get("CUDA_VISIBLE_DEVICES", "") == (",".join(devices) or given)
    assert sorted(Path(file.name).name for file in held) == sorted(name.replace("/", "_") for name in devices)


@pytest.mark.parametrize(
    ("given", "devices"),
    [
        (None, ["GPU-a", "MIG-c", "MIG-d"]),
        ("1,0", ["MIG-c", "MIG-d", "GPU-a"]),
        ("GPU-b", ["MIG-c", "MIG-d"]),
        ("MIG-d,0", ["MIG-d", "GPU-a"]),
        ("MIG-GPU-b/1/0", ["MIG-GPU-b/1/0"]),
    ],
)
def test_a_divided_gpu_is_its_instances(driver, tmp_path, monkeypatch, given, devices):
    driver("GPU-a", "GPU-b", instances=("MIG-c", "MIG-d"))
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert gpus.visible() == devices
    if len(devices) > 1:
        with pytest.raises(InputError, match=r"--gpus 2: a process uses one MIG instance at most; allowed here: 1"):
            gpus.claim(2, tmp_path / "locks")
    (held,) = gpus.claim(1, tmp_path / "locks")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == devices[0]
    assert Path(held.name).name == devices[0].replace("/", "_")


def test_jobs_that_a_cluster_gave_a_gpu_each_do_not_wait_for_each_other(driver, tmp_path, monkeypatch):
    """Both see theirs as number 0."""
    held = []
    for uuid in ("GPU-a", "GPU-b"):
        driver(uuid)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        held.append(gpus.take(gpus.visible(), 1, tmp_path / "locks", seconds=0))
    assert [devices for devices, _ in held] == [["GPU-a"], ["GPU-b"]]
    with pytest.raises(InputError, match="in use by other jobs"):
        gpus.take(gpus.visible(), 1, tmp_path / "locks", seconds=0)


def test_without_the_driver_there_are_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus.visible() == []
