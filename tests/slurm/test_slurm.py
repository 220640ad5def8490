"""A small selection through a real SLURM with faults in its way, and the same locally: the results are the same."""

import csv
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from freedarts import baselines
from freedarts.architectures.scores import sample
from freedarts.jobs.checkpoints import DIGEST_SIZE
from freedarts.nasbench201.query import find
from tests.nasbench201 import file as generated
from tests.slurm import cluster as slurm
from tests.support import ROOT, SUBMITTED, TINY_TASK, command, copy_project, snakemake, table

pytestmark = pytest.mark.slurm

EPOCHS = 6
SCORES = ("synflow", "synflow-released")
CASES = [(score, seed) for score in SCORES for seed in range(2)]
METRICS = "results/retrain/tiny/nasbench201/{}/seed{}/run0/metrics.json"
PROFILE = ("--workflow-profile", "profiles/slurm")


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
    """A selection of four searches and four trainings. They train on the CPU, for the GPUs of SLURM are only names, but
    ask for one and for two threads, as trainings on a GPU do."""
    copy_project(folder)
    file = folder / "config" / "config.yaml"
    config = yaml.safe_load(file.read_text())
    task = TINY_TASK | {"protocol": TINY_TASK["protocol"] | {"epochs": EPOCHS}}
    config |= {"sources": {}, "tasks": {"tiny": task}, "correlation": [], "costs": []}
    del config["readings"]["random"]
    config["search"] = [{"supernets": ["nasbench201"], "scores": list(SCORES), "seeds": 2}]
    chosen = {"task": "tiny", "supernet": "nasbench201", "seeds": [0, 1], "runs": 1}
    config["retrain"] = [chosen | {"source": score} for score in SCORES]
    file.write_text(yaml.safe_dump(config))
    file = folder / "profiles" / "slurm" / "config.yaml"
    profile = yaml.safe_load(file.read_text())
    profile["slurm-init-seconds-before-status-checks"] = 1
    profile["set-resources"]["retrain"]["gpu"] = 1
    profile["set-threads"] = {"retrain": 2}
    file.write_text(yaml.safe_dump(profile, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    folder = project(tmp_path_factory.mktemp("local") / "project")
    snakemake(folder, "--cores", "2", "results/tables.md")
    return folder


@contextmanager
def driver(folder: Path, *arguments: str):
    """A driver at work on the project in *folder*, and its log; it is ended."""
    log = folder / "driver.log"
    with log.open("a") as output:
        process = subprocess.Popen(command(*PROFILE, *arguments), cwd=folder, stdout=output, stderr=output)
    try:
        yield process, log
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_until(ready, process: subprocess.Popen, log: Path, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, log.read_text()[-5000:]
        assert time.monotonic() < deadline, log.read_text()[-5000:]
        time.sleep(0.1)


class Training:
    """SLURM's records of the attempts at one training, and its process."""

    def __init__(self, cluster: slurm.Cluster, folder: Path, score: str, seed: int):
        self.cluster, self.folder = cluster, folder
        self.comment = f"rule_retrain_wildcards_tiny_nasbench201_{score}_{seed}_0"
        self.output = METRICS.format(score, seed)
        self.pid, self.seconds = 0, []  # of the process that stands still, and of each of its epochs

    def attempts(self) -> list[dict[str, str]]:
        return [job for job in self.cluster.jobs() if job.get("Comment") == self.comment]

    def job(self) -> dict[str, str]:
        return self.attempts()[0]

    def completed(self) -> bool:
        return any(job["JobState"] == "COMPLETED" for job in self.attempts())

    def process(self) -> int:
        """0 if there is none."""
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (path / "cmdline").read_bytes().decode().split("\0")
                if "scripts.retrain" in words and self.output in words and (path / "cwd").resolve() == self.folder:
                    return int(path.name)
        return 0

    def hold(self) -> bool:
        """Let the training stand still once it has a checkpoint; whether it does. SLURM wakes those that it ends."""
        if not self.pid and (pid := self.process()):
            with suppress(OSError):
                opened = {path.resolve().parent for path in Path(f"/proc/{pid}/fd").iterdir()}
                for path in (
                    path for folder in opened if folder.parent.name == "checkpoints" for path in folder.glob("step*.pt")
                ):
                    os.kill(pid, signal.SIGSTOP)
                    state = torch.load(io.BytesIO(path.read_bytes()[DIGEST_SIZE:]), weights_only=True)["state"]
                    self.pid, self.seconds = pid, [row["seconds"] for row in state["history"]]
        return bool(self.pid)

    def go_on(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)


@dataclass
class Faults:
    """The four trainings under one driver, by what happened to them."""

    folder: Path
    lost: Training
    preempted: Training
    cancelled: Training
    limited: Training


@pytest.fixture(scope="module")
def run(cluster, tmp_path_factory):
    """One driver, three trainings on one node, one on the other, each with a fault of its own once it has a checkpoint:
    its node is lost, another job preempts it, it is cancelled, it meets its time limit. Before these the slurmd of the
    three is killed and comes back."""
    folder = project(tmp_path_factory.mktemp("project") / "project")
    trainings = [Training(cluster, folder, *case) for case in CASES]
    with driver(folder, "results/tables.md") as (process, log):
        wait_until(lambda: sum(training.hold() for training in trainings) == 4, process, log)
        cluster.stop("slurmd-node0", signal.SIGKILL)
        cluster.start_node("node0")
        (lost,) = [training for training in trainings if training.job()["NodeList"] == "node1"]
        preempted, cancelled, limited = (training for training in trainings if training is not lost)

        cluster.lose_node("node1", lost.job()["JobId"])
        cluster.call("scancel", cancelled.job()["JobId"])
        cluster.call("scontrol", "update", f"JobId={limited.job()['JobId']}", "TimeLimit=1")
        wait_until(cancelled.completed, process, log)
        wait_until(lambda: limited.job()["Restarts"] == "1", process, log)
        cluster.call("scontrol", "update", f"JobId={limited.job()['JobId']}", "TimeLimit=20")
        cluster.call("sbatch", "-p", "urgent", "--gpus=3", "-o", "/dev/null", "--wrap", "sleep 1")
        wait_until(lambda: preempted.job()["Restarts"] == "1", process, log)

        cluster.wait_until(lambda: cluster.state("node1").startswith("down"), 60)
        cluster.start_node("node1")
        # SLURM lets two minutes pass before it starts a job again. Some of it is needed: until the node answers, SLURM
        # repeats the order to end the lost job, which must not meet the next start.
        time.sleep(15)
        for training in (lost, preempted, limited):
            wait_until(lambda training=training: training.job()["JobState"] == "PENDING", process, log)
            cluster.call("scontrol", "update", f"JobId={training.job()['JobId']}", "StartTime=now")
        assert process.wait(timeout=240) == 0, log.read_text()[-5000:]
    return Faults(folder, lost, preempted, cancelled, limited)


def states(training: Training) -> list[tuple[str, str]]:
    return [(job["JobState"], job["Restarts"]) for job in training.attempts()]


def test_searches_share_one_submission_on_the_cpu_partition(run, cluster):
    (searches,) = [job for job in cluster.jobs() if "searches" in job.get("Comment", "")]
    assert (searches["Partition"], searches["JobState"], searches["NumCPUs"]) == ("cpu", "COMPLETED", "4")
    assert "gpu" not in searches.get("TresPerJob", "")


def test_trainings_run_on_the_gpu_partition_with_their_gpu(run):
    for training in (run.lost, run.preempted, run.cancelled, run.limited):
        assert {(job["Partition"], job["TresPerJob"]) for job in training.attempts()} == {("gpu", "gres:gpu:1")}


def test_slurms_accounting_has_every_training_on_the_gpu_partition(run, cluster):
    for training in (run.lost, run.preempted, run.cancelled, run.limited):
        job = training.attempts()[-1]["JobId"]
        recorded = cluster.call("sacct", "-anXP", "-j", job, "-o", "Partition,Account,State").split()
        assert recorded[-1] == "gpu|root|COMPLETED"


def test_preempted_training_and_that_of_a_lost_node_go_back_into_the_queue(run):
    assert states(run.preempted) == [("COMPLETED", "1")]
    assert states(run.lost)[0][1] == "1"
    assert states(run.lost)[-1][0] == "COMPLETED"


def test_cancelled_training_is_tried_again(run):
    assert states(run.cancelled) == [("CANCELLED", "0"), ("COMPLETED", "0")]


def test_training_at_its_time_limit_goes_on_in_the_same_attempt(run):
    assert states(run.limited) == [("COMPLETED", "1")]


def test_memory_and_time_grow_with_the_attempt(run):
    attempts = run.cancelled.attempts()
    first, second = (int(job["MinMemoryNode"].removesuffix("M")) for job in attempts)
    assert second == 2 * first >= 4000
    assert attempts[1]["TimeLimit"] == "00:40:00"


def test_no_training_begins_again(run):
    """The seconds of the epochs before the fault are those of the first attempt."""
    for training in (run.lost, run.preempted, run.cancelled, run.limited):
        with (training.folder / training.output).with_name("history.csv").open() as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
        assert len(seconds) == EPOCHS
        assert training.seconds
        assert seconds[: len(training.seconds)] == pytest.approx(training.seconds, rel=1e-6)


def test_results_are_those_of_a_local_run(run, local):
    assert table(run.folder) == table(local)
    for case in CASES:
        weights = Path(METRICS.format(*case)).with_name("weights.safetensors")
        ours, theirs = load_file(run.folder / weights), load_file(local / weights)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_jobs_of_a_killed_driver_are_cancelled_at_the_next_start(cluster, local, tmp_path):
    folder = Path(shutil.copytree(local, tmp_path / "project"))
    shutil.rmtree(folder / "checkpoints")
    training = Training(cluster, folder, *CASES[0])
    (folder / training.output).unlink()
    before = len(training.attempts())
    with driver(folder, training.output) as (process, log):
        wait_until(training.hold, process, log)
    training.go_on()  # the driver is dead, and its job has some epochs to go
    with driver(folder, training.output) as (process, log):
        assert process.wait(timeout=180) == 0, log.read_text()[-5000:]
    assert "SLURM jobs of a dead driver are cancelled" in log.read_text()
    assert [job["JobState"] for job in training.attempts()[before:]] == ["CANCELLED", "COMPLETED"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ("--default-resources", "mem_mb=1000"),  # no partition, where the site has no default
            "the group searches, attempt 1: .*\n.*profiles/slurm/config.yaml: partition or "
            "gpu_partition; partitions here: cpu,",
        ),
        (
            ("--set-resources", "retrain:slurm_partition=fast"),
            "retrain, attempt 1: .*artition.*\n.*change in profiles/slurm/config.yaml: partition or "
            "gpu_partition; partitions here: cpu, gpu, urgent, closed",
        ),
        (
            ("--set-resources", "retrain:gpu=1", "retrain:gpu_model=a100"),
            "retrain, attempt 1: .*config.yaml: .*gres.*GPUs here: .*gpu gpu:3",
        ),
        (
            ("--set-resources", "retrain:slurm_account=nobody"),
            "retrain, attempt 1: Invalid account .*\n.*profiles/slurm/config.yaml: account; ",
        ),
        (("--set-resources", "retrain:runtime=9000"), "retrain, attempt 1: .*runtime .minutes. under the rule"),
        (
            ("--set-resources", "retrain:runtime=attempt * 700"),
            "retrain, attempt 3: .*runtime .minutes. under the rule",
        ),
        (
            ("--set-resources", "search:runtime=9000"),
            "the group searches, attempt 1: .*runtime .minutes. under the rule",
        ),
    ],
)
def test_request_that_the_site_does_not_know_ends_the_start(cluster, local, tmp_path, options, expected):
    folder = Path(shutil.copytree(local, tmp_path / "project"))
    shutil.rmtree(folder / "results")
    before = len(cluster.jobs())
    output = snakemake(folder, *PROFILE, METRICS.format(*CASES[0]), *options, check=False)
    assert re.search(f"SLURM refuses jobs of {expected}", output, re.DOTALL), output[-3000:]
    assert len(cluster.jobs()) == before


def test_gpus_that_are_a_gres_are_asked_for_by_trainings_on_a_gpu_alone(cluster, local, tmp_path):
    folder = Path(shutil.copytree(local, tmp_path / "project"))
    file = folder / "profiles" / "slurm" / "config.yaml"
    profile = yaml.safe_load(file.read_text())
    profile["__variables__"]["gres"] = "gpu:1"
    del profile["set-resources"]["retrain"]["gpu"]
    file.write_text(yaml.safe_dump(profile, sort_keys=False))
    targets = [METRICS.format(*case) for case in CASES[:2]]
    for target in targets:
        (folder / target).unlink()
    before = len(cluster.jobs())
    snakemake(folder, *PROFILE, targets[0])
    profile["set-threads"] = {"retrain": 1}
    file.write_text(yaml.safe_dump(profile, sort_keys=False))
    snakemake(folder, *PROFILE, targets[1])
    on_gpu, on_cpu = cluster.jobs()[before:]
    assert (on_gpu["Partition"], on_gpu["TresPerNode"], on_gpu["JobState"]) == ("gpu", "gres:gpu:1", "COMPLETED")
    assert (on_cpu["Partition"], on_cpu["JobState"]) == ("cpu", "COMPLETED")
    assert "gres" not in on_cpu.get("TresPerNode", "")


def test_two_trainings_have_a_gpu_together_where_the_site_has_shards(cluster, local, tmp_path):
    """On the node with one GPU, of four shards; 4 threads are half of one, as of a task with `share: 2`."""
    folder = Path(shutil.copytree(local, tmp_path / "project"))
    shutil.rmtree(folder / "checkpoints")
    file = folder / "profiles" / "slurm" / "config.yaml"
    profile = yaml.safe_load(file.read_text())
    profile["__variables__"]["gres"] = f"shard:{slurm.SHARDS}"
    profile["set-threads"]["retrain"] = 4
    resources = profile["set-resources"]["retrain"]
    del resources["gpu"]
    resources["slurm_extra"] = "'--nodelist=node1'"
    file.write_text(yaml.safe_dump(profile, sort_keys=False))
    trainings = [Training(cluster, folder, *case) for case in CASES[:3]]
    for training in trainings:
        (folder / training.output).unlink()
    before = len(cluster.jobs())

    def jobs() -> list[dict[str, str]]:
        return cluster.jobs()[before:]

    with driver(folder, *(training.output for training in trainings)) as (process, log):
        wait_until(lambda: sum(training.hold() for training in trainings) == 2, process, log)
        wait_until(lambda: any(job["Reason"] == "Resources" for job in jobs()), process, log)
        assert sorted(job["JobState"] for job in jobs()) == ["PENDING", "RUNNING", "RUNNING"]
        for training in trainings:
            if training.pid:
                training.go_on()
        assert process.wait(timeout=180) == 0, log.read_text()[-5000:]
    assert {(job["TresPerNode"], job["JobState"]) for job in jobs()} == {("gres:shard:2", "COMPLETED")}


def test_commands_of_the_profile_s_readme_run(cluster, local, tmp_path):
    folder = Path(shutil.copytree(local, tmp_path / "project"))
    for lost in (METRICS.format(*CASES[0]), "results/tables.md"):
        (folder / lost).unlink()
    before = len(cluster.jobs())
    calls = page_calls()
    assert len(calls) == 4
    for call in calls[2:]:  # the others need a GPU; tests/test_docs.py plans them
        snakemake(folder, *call)
    assert (folder / METRICS.format(*CASES[0])).exists()
    assert len(cluster.jobs()) == before + 1


@pytest.mark.slow
def test_smoke_training_is_stopped_and_goes_on(cluster, tmp_path):
    """As its page calls it, but trained on the CPU: the GPUs of SLURM are only names."""
    folder = project(tmp_path / "project")
    file = folder / "config" / "smoke.yaml"
    smoke = yaml.safe_load(file.read_text())
    smoke["tasks"]["smoke"]["gpus"] = 0
    smoke["tasks"]["smoke"]["protocol"]["epochs"] = 8
    file.write_text(yaml.safe_dump(smoke))
    before = len(cluster.jobs())
    snakemake(folder, *page_calls()[0])
    (job,) = (job for job in cluster.jobs()[before:] if job.get("Comment", "").startswith("rule_retrain"))
    assert (job["Partition"], job["JobState"]) == ("gpu", "COMPLETED")
    assert int(job["Restarts"]) >= 1
    assert "smoke" in (folder / "results/smoke/tables.md").read_text()


def page_calls() -> list[list[str]]:
    """What the profile's README calls Snakemake with."""
    block = (ROOT / "profiles/slurm/README.md").read_text().partition("```bash\n")[2].partition("```")[0]
    return [shlex.split(line, comments=True)[1:] for line in block.splitlines() if line.startswith("snakemake ")]


def test_profile_may_be_given_as_the_user_s_own(cluster, local, tmp_path):
    folder = Path(shutil.copytree(local, tmp_path / "project"))
    (folder / METRICS.format(*CASES[0])).unlink()
    before = len(cluster.jobs())
    snakemake(folder, "--profile", "profiles/slurm", METRICS.format(*CASES[0]))
    (job,) = cluster.jobs()[before:]
    assert (job["Partition"], job["JobState"]) == ("gpu", "COMPLETED")


def test_driver_ends_on_sigterm_once_its_job_is_done(cluster, local, tmp_path):
    folder = Path(shutil.copytree(local, tmp_path / "project"))
    targets = [METRICS.format(*case) for case in CASES[:2]]
    for target in targets:
        (folder / target).unlink()
    before = len(cluster.jobs())
    with driver(folder, *targets, "--jobs", "1") as (process, log):
        wait_until(lambda: len(cluster.jobs()) > before, process, log)
        process.terminate()
        assert process.wait(timeout=120) != 0
    assert [job["JobState"] for job in cluster.jobs()[before:]] == ["COMPLETED"]
    assert sum((folder / target).exists() for target in targets) == 1


def test_a_hundred_searches_are_few_submissions(cluster, local, tmp_path):
    folder = Path(shutil.copytree(local, tmp_path / "project"))
    file = folder / "config" / "config.yaml"
    config = yaml.safe_load(file.read_text())
    config |= {"search": [{"supernets": ["nasbench201"], "scores": ["synflow"], "seeds": 100}], "retrain": []}
    file.write_text(yaml.safe_dump(config))
    shutil.rmtree(folder / "results" / "search")
    before = len(cluster.jobs())

    def submitted() -> int:
        return log.read_text().count("has been submitted with SLURM jobid")

    with driver(folder, "results/tables.md", "--default-resources", "slurm_partition=closed") as (process, log):
        wait_until(lambda: submitted() >= 4, process, log)
        time.sleep(5)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)
    jobs = cluster.jobs()[before:]
    assert len(jobs) == submitted() == 4
    assert {(job["JobState"], job["NumCPUs"]) for job in jobs} == {("CANCELLED", "4")}


def every_rule(folder: Path) -> list[str]:
    """The smallest selection with every rule that is submitted, and what to make of it."""
    project(folder)
    largest = find(baselines.largest("nasbench201").arch).index  # which SynFlow takes
    generated.write_legacy(folder / "benchmark.pth", generated.contents(sorted({*sample(20, 0), largest})))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 8, 8, 3), dtype=np.uint8)
    for name, images in zip("ab", pixels, strict=True):
        (folder / "noise" / name).mkdir(parents=True)
        for index, image in enumerate(images):
            Image.fromarray(image).save(folder / "noise" / name / f"{index}.png")
    file = folder / "config" / "config.yaml"
    network = TINY_TASK["network"] | {"image_size": 8, "classes": 2}
    config = yaml.safe_load(file.read_text()) | {
        "datasets": {"noise": {"folder": "noise", "image_size": 8, "test_fraction": 0.5, "split_seed": 0}},
        "nasbench201": {"file": "benchmark.pth"},
        "tasks": {"tiny": TINY_TASK | {"dataset": "noise", "network": network}},
        "search": [{"supernets": ["nasbench201"], "scores": ["synflow"], "seeds": 2}],
        "correlation": [{"scores": ["parameters"], "architectures": 20, "seeds": 1}],
        "retrain": [{"task": "tiny", "supernet": "nasbench201", "source": "synflow", "seeds": [0], "runs": 1}],
    }
    file.write_text(yaml.safe_dump(config))
    place = "tiny/nasbench201/synflow/seed0"
    return ["results/tables.md", f"results/preflight/{place}.json", f"results/evaluate/{place}/run0.json"]


def test_every_rule_that_is_submitted_gives_what_it_gives_locally(cluster, tmp_path):
    """The whole quick run is compared by a test that takes minutes, below."""
    here, there = tmp_path / "local", tmp_path / "slurm"
    targets = every_rule(here)
    shutil.copytree(here, there)
    snakemake(here, "--cores", "2", *targets)
    before = len(cluster.jobs())
    snakemake(there, *PROFILE, *targets)
    jobs = cluster.jobs()[before:]
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    names = {"search" if "searches" in job["Comment"] else job["Comment"].partition("_wildcards")[0] for job in jobs}
    # A replay needs CIFAR-10; it is submitted as a training is.
    assert {name.removeprefix("rule_") for name in names} == SUBMITTED - {"replay"}
    assert table(there) == table(here)
    evaluations = [json.loads((folder / targets[2]).read_text()) for folder in (here, there)]
    assert evaluations[0]["test_error"] == evaluations[1]["test_error"]
    weights = METRICS.format("synflow", 0).replace("metrics.json", "weights.safetensors")
    assert (there / weights).read_bytes() == (here / weights).read_bytes()
    assert (there / "data/noise.json").read_bytes() == (here / "data/noise.json").read_bytes()


@pytest.mark.slow
def test_quick_run_gives_the_tables_of_a_local_run(cluster, request, tmp_path):
    local = request.getfixturevalue("quick")  # made, where it is not yet, once it is known that there is a SLURM
    folder = copy_project(tmp_path / "project")
    before = len(cluster.jobs())
    snakemake(folder, *PROFILE, "--slurm-init-seconds-before-status-checks", "1", "results/tables.md")
    assert table(folder) == table(local)
    submitted = cluster.jobs()[before:]
    assert {(job["Partition"], job["JobState"]) for job in submitted} == {("cpu", "COMPLETED")}
