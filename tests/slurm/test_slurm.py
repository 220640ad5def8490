"""A small selection through a real SLURM with faults in its way, and the same locally: the results are the same."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.conftest import TINY_TASK
from tests.slurm import cluster as slurm
from tests.test_workflow import command, copy_project, snakemake, table

pytestmark = pytest.mark.slurm

EPOCHS = 30  # longer than it takes until SLURM looks at time limits
SCORES = ("synflow", "synflow-released")
METRICS = "results/retrain/tiny/nasbench201/{}/seed0/run0"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if reason := slurm.why_not():
        pytest.skip(reason)
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="the extra `slurm` is not installed")
    try:
        slurm.install()
    except OSError as error:
        pytest.skip(f"Debian's SLURM cannot be had: {error}")
    cluster = slurm.Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()


def project(folder: Path) -> Path:
    """A selection of four searches and two trainings. They train on the CPU, for the GPUs of SLURM are only names, but
    ask for one and for two threads, as trainings on a GPU do."""
    copy_project(folder)
    file = folder / "config" / "config.yaml"
    config = yaml.safe_load(file.read_text())
    task = TINY_TASK | {"protocol": TINY_TASK["protocol"] | {"epochs": EPOCHS}}
    config |= {"sources": {}, "tasks": {"tiny": task}, "correlation": [], "costs": []}
    del config["readings"]["random"]
    config["search"] = [{"supernets": ["nasbench201"], "scores": list(SCORES), "seeds": 2}]
    chosen = {"task": "tiny", "supernet": "nasbench201", "seeds": [0], "runs": 1}
    config["retrain"] = [chosen | {"source": score} for score in SCORES]
    file.write_text(yaml.safe_dump(config))
    file = folder / "profiles" / "slurm" / "config.yaml"
    profile = yaml.safe_load(file.read_text())
    profile["slurm-init-seconds-before-status-checks"] = 1
    profile["set-resources"]["retrain"]["gpu"] = 1
    profile["set-threads"] = {"retrain": 2}
    file.write_text(yaml.safe_dump(profile))
    return folder


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    folder = project(tmp_path_factory.mktemp("local") / "project")
    snakemake(folder, "--cores", "2", "results/tables.md")
    return folder


class Trainings:
    """SLURM's records of the attempts at one training."""

    def __init__(self, cluster: slurm.Cluster, score: str):
        self.cluster, self.comment = cluster, f"rule_retrain_wildcards_tiny_nasbench201_{score}_0_0"

    def attempts(self) -> list[dict[str, str]]:
        return [job for job in self.cluster.jobs() if job["Comment"] == self.comment]

    def checkpoint(self, folder: Path) -> bool:
        attempts = self.attempts()
        return bool(attempts) and attempts[0]["JobState"] == "RUNNING" and any(folder.glob("checkpoints/*/step*.pt"))


def wait_until(ready, driver: subprocess.Popen, log: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert driver.poll() is None and time.monotonic() < deadline, log.read_text()[-5000:]  # noqa: PT018
        time.sleep(0.2)


@pytest.fixture(scope="module")
def run(cluster, tmp_path_factory):
    """One driver, and what happened under it: a killed slurmd, a cancelled training, a time limit."""
    folder = project(tmp_path_factory.mktemp("project") / "project")
    log = folder / "driver.log"
    cancelled, limited = (Trainings(cluster, score) for score in SCORES)
    arguments = command("--workflow-profile", "profiles/slurm", "results/tables.md")
    with log.open("w") as output:
        driver = subprocess.Popen(arguments, cwd=folder, stdout=output, stderr=output)
    try:
        wait_until(lambda: limited.checkpoint(folder) and cancelled.checkpoint(folder), driver, log)
        cluster.stop("slurmd-node0", signal.SIGKILL)
        cluster.start_node("node0")
        cluster.call("scancel", cancelled.attempts()[0]["JobId"])
        cluster.call("scontrol", "update", f"JobId={limited.attempts()[0]['JobId']}", "TimeLimit=1")
        assert driver.wait(timeout=180) == 0, log.read_text()[-5000:]
    finally:
        if driver.poll() is None:
            driver.kill()
    return folder, cancelled.attempts(), limited.attempts()


def test_searches_share_one_submission_on_the_cpu_partition(run, cluster):
    (searches,) = [job for job in cluster.jobs() if "searches" in job["Comment"]]
    assert (searches["Partition"], searches["JobState"], searches["NumCPUs"]) == ("cpu", "COMPLETED", "4")
    assert "gpu" not in searches.get("TresPerJob", "")


def test_trainings_run_on_the_gpu_partition_with_their_gpu(run):
    for attempts in run[1:]:
        assert [(job["Partition"], job["TresPerJob"]) for job in attempts] == [("gpu", "gres:gpu:1")] * len(attempts)


def test_memory_and_time_grow_with_the_attempt(run):
    for attempts in run[1:]:
        assert [job["MinMemoryNode"] for job in attempts] == ["2000M", "4000M"]
        assert attempts[1]["TimeLimit"] == "00:40:00"


def test_cancelled_training_saves_and_the_driver_tries_again(run):
    folder, cancelled, _ = run
    assert [job["JobState"] for job in cancelled] == ["CANCELLED", "COMPLETED"]
    assert "stopped in epoch" in (folder / "driver.log").read_text()


def test_training_at_its_time_limit_saves_before_it(run):
    limited = run[2]
    assert [job["JobState"] for job in limited] == ["FAILED", "COMPLETED"]  # not TIMEOUT: it left in time


def test_results_are_those_of_a_local_run(run, local):
    assert table(run[0]) == table(local)
    for score in SCORES:
        ours, theirs = (load_file(folder / METRICS.format(score) / "weights.safetensors") for folder in (run[0], local))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_unknown_partition_is_named(cluster, local, tmp_path):
    folder = Path(shutil.copytree(local, tmp_path / "project"))
    arguments = (
        "--workflow-profile",
        "profiles/slurm",
        "--retries",
        "0",
        "-f",
        METRICS.format("synflow") + "/metrics.json",
    )
    said = snakemake(folder, *arguments, "--set-resources", "retrain:slurm_partition=fast", check=False)
    assert "invalid partition specified: fast" in said
