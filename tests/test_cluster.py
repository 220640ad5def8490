"""What a SLURM site refuses is said with the entry of the profile that is to change; stubs of its commands answer."""

import os
import re
import shutil
import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
import yte

from freedarts.files import InputError
from freedarts.jobs import driver, slurm
from tests.support import ROOT, copy_project, snakemake

RESOURCES = {"slurm_partition": "gpu", "runtime": 40, "mem_mb": 4000, "gpu": 2, "slurm_extra": "'--signal=TERM@120'"}
PROFILE = ("--workflow-profile", "profiles/slurm")
JOB = ("retrain, attempt 1", 8, RESOURCES)
# What sbatch 22.05 answers to `--test-only`.
REFUSALS = [
    ("allocation failure: Invalid account or account/partition combination specified", "account; `sacctmgr"),
    ("sbatch: error: invalid partition specified: gpu", "partition or gpu_partition; partitions here: cpu, long$"),
    ("allocation failure: Invalid qos specification", "qos under default-resources"),
    ("sbatch: error: Invalid generic resource (gres) specification", "gres; GPUs here: cpu, long$"),
    ("allocation failure: Requested time limit is invalid (missing or exceeds some limit)", "runtime .minutes."),
    ("allocation failure: Requested node configuration is not available", "gres .*, or mem_mb and threads"),
    ("allocation failure: Invalid feature specification", "constraint under"),
    ("allocation failure: Unable to contact slurm controller (connect failure)", "nothing: SLURM does not answer"),
    (
        "allocation failure: Job violates accounting/QOS policy (job submit limit, user size and/or time limits)",
        "jobs, or runtime, mem_mb and threads under the rule",
    ),
    ("allocation failure: Memory specification can not be satisfied", "mem_mb or threads under the rule"),
    ("allocation failure: CPU count per node can not be satisfied", "mem_mb or threads under the rule"),
    ("allocation failure: Access denied", "the entry that asks for this"),
]


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Write a command that is found first; its calls are noted in calls.txt."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def write(name: str, *lines: str) -> Path:
        path = tmp_path / name
        path.write_text("\n".join(["#!/bin/sh", f'echo {name} "$@" >> {tmp_path}/calls.txt', *lines]) + "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return tmp_path / "calls.txt"

    return write


@pytest.mark.parametrize(("refusal", "advice"), REFUSALS)
def test_refusal_names_the_entry_to_change(stub, refusal, advice):
    stub("sinfo", "echo cpu", "echo long")
    stub("sbatch", f"echo '{refusal}' >&2", "exit 1")
    with pytest.raises(
        InputError, match=rf"(?m)SLURM refuses jobs of retrain, attempt 1: .*\n.*{slurm.PROFILE}: .*{advice}"
    ) as found:
        slurm.check([JOB])
    asked = "it was asked: sbatch --cpus-per-task=8 -p gpu -t 40 --mem 4000 --gpus=2 --signal=TERM@120"
    assert str(found.value).endswith(asked)


@pytest.fixture
def slurm_job(stub, monkeypatch):
    """Let this process be in a SLURM job; a function that says what its record is, and notes all calls."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")

    def write(state: str, minutes: float, name: str = "freedarts_retrain_7") -> Path:
        end = datetime.now() + timedelta(minutes=minutes)
        stub("squeue", f"echo {state} {end:%Y-%m-%dT%H:%M:%S} {name}")
        return stub("scontrol")

    return write


def test_job_at_its_time_limit_goes_back_into_the_queue(slurm_job):
    calls = slurm_job("RUNNING", 2)
    assert slurm.requeue()
    assert calls.read_text().splitlines()[-1] == "scontrol requeue 7"


@pytest.mark.parametrize(
    "record",
    [("RUNNING", 60), ("COMPLETING", 2), ("CANCELLED", 2), ("", 2), ("RUNNING", 2, "mine"), ("RUNNING", 2, "")],
)
def test_job_that_is_cancelled_has_time_or_is_another_s_is_not_put_back(slurm_job, record):
    calls = slurm_job(*record)
    assert not slurm.requeue()
    assert "scontrol" not in calls.read_text()


def test_job_that_slurm_does_not_put_back_has_failed(slurm_job, stub):
    slurm_job("RUNNING", 2)
    stub("scontrol", "exit 1")
    assert not slurm.requeue()


def test_without_slurm_nothing_is_asked(slurm_job, monkeypatch):
    calls = slurm_job("RUNNING", 2)
    monkeypatch.delenv("SLURM_JOB_ID")
    assert not slurm.requeue()
    assert not calls.exists()


@pytest.mark.parametrize(
    ("resources", "asked"),
    [
        ({"gpu": 4, "gpu_model": "a100"}, ["--gpus=a100:4"]),
        ({"gpu_model": "a100"}, ["--gpus=a100:1"]),
        ({"gpu": 0, "gpu_model": ""}, []),
        ({"gpu": 0, "gres": "gpu:a100:4"}, ["--gres", "gpu:a100:4"]),
        ({"gpu": 0, "gres": ""}, []),
    ],
)
def test_gpus_are_asked_for_as_the_executor_does(resources, asked):
    assert slurm.request(8, resources) == ("--cpus-per-task=8", *asked)


def test_like_requests_are_asked_once(stub):
    calls = stub("sbatch")
    slurm.check([JOB, JOB, ("search", 1, {"slurm_partition": "cpu"})])
    assert calls.read_text().count("sbatch --test-only") == 2


def test_no_slurm_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no sbatch on the path"):
        slurm.check([JOB])
    slurm.cancel_orphans(str(tmp_path), [])  # nothing to ask


def test_orphans_are_the_workflows_own_jobs_in_this_folder(stub, tmp_path, capsys):
    here = tmp_path.resolve()
    rows = [f"7|freedarts_a|{here}", f"8|freedarts_b|{here}/other", f"9|mine|{here}", f"10_1|freedarts_a|{here}"]
    stub("squeue", f"test -e {here}/gone || cat {here}/rows")
    (here / "rows").write_text("\n".join(rows) + "\n")
    calls = stub("scancel", f"touch {here}/gone")
    slurm.cancel_orphans(str(here), [])
    assert "scancel 7 10_1\n" in calls.read_text()
    assert "SLURM jobs of a dead driver are cancelled: 7 10_1" in capsys.readouterr().out


def test_jobs_of_a_driver_that_lives_or_may_live_are_left_alone(stub, tmp_path, capsys):
    calls = stub("squeue", f"echo '7|freedarts_a|{tmp_path.resolve()}'")
    here, there = Path(f"{driver.HOST}.12"), Path("drivers/elsewhere.34")
    slurm.cancel_orphans(str(tmp_path.resolve()), [here])
    assert "SLURM jobs of another driver here go on: 7" in capsys.readouterr().out
    by_hand = "a Snakemake on elsewhere, process 34, .* if it is dead: rm drivers/elsewhere.34 && scancel 7$"
    with pytest.raises(InputError, match=by_hand):
        slurm.cancel_orphans(str(tmp_path.resolve()), [here, there])
    with pytest.raises(InputError, match=r"no file lock .*; if not: scancel 7$"):
        slurm.cancel_orphans(str(tmp_path.resolve()), None)
    assert "scancel" not in calls.read_text()


@pytest.mark.parametrize(("seconds", "first", "refused"), [(300, 20, False), (199, 20, True), (300, 101, True)])
def test_jobs_that_slurm_forgets_too_early_end_the_start(stub, seconds, first, refused):
    stub("scontrol", "echo 'MessageTimeout          = 10 sec'", f"echo 'MinJobAge               = {seconds} sec'")
    slurm.check_driver("sacct", first, None)
    if not refused:
        slurm.check_driver("squeue", first, None)
        return
    with pytest.raises(
        InputError, match=rf"after {seconds} s \(MinJobAge\).*: \d+ s are needed\n.*slurm-status-command"
    ):
        slurm.check_driver("squeue", first, None)


def test_job_arrays_are_refused():
    with pytest.raises(InputError, match="slurm-array-jobs: 'search'; leave it out"):
        slurm.check_driver("squeue", 20, "search")


def test_squeue_that_fails_is_no_obstacle(stub, tmp_path):
    stub("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2", "exit 1")
    calls = stub("scancel")
    slurm.cancel_orphans(str(tmp_path), [])
    assert "scancel" not in calls.read_text()


def test_names_of_jobs_are_those_of_the_profile():
    profile = yaml.safe_load((ROOT / slurm.PROFILE).read_text())
    assert profile["slurm-jobname-prefix"] + "_" == slurm.JOB_NAMES


def profile(**site: str) -> dict:
    """The profile of a site, as Snakemake fills it in."""
    stated = yaml.safe_load((ROOT / slurm.PROFILE).read_text())
    assert list(stated["__variables__"]) == ["account", "partition", "gpu_partition", "gres"]
    stated["__variables__"] |= site
    return yte.process_yaml(yaml.safe_dump(stated, sort_keys=False), require_use_yte=True)


@pytest.mark.parametrize(
    ("gres", "threads", "asked"),
    [
        ("gpu:1", 8, "gpu:1"),
        ("gpu:a100:1", 32, "gpu:a100:4"),
        ("gpu:a100:1", 4, "gpu:a100:1"),  # a share of one that the site does not divide
        ("shard:4", 4, "shard:2"),
        ("shard:4", 8, "shard:4"),
        ("shard:4", 1, ""),
    ],
)
def test_four_values_are_what_a_site_says(gres, threads, asked):
    found = profile(account="my-group", partition="short", gpu_partition="a100-long", gres=gres)
    default = found["default-resources"]
    assert (eval(default["slurm_account"]), eval(default["slurm_partition"])) == ("my-group", "short")
    for rule in ("preflight", "evaluate", "replay", "retrain"):
        stated = found["set-resources"][rule]
        partition = eval(stated["slurm_partition"], {"threads": threads})
        assert partition == ("a100-long" if threads > 1 else "short")
        assert (stated["gpu"], eval(stated["gres"], {"threads": threads})) == (0, asked)


def test_site_that_says_nothing_of_account_and_gpus_asks_by_number_alone():
    found = profile()
    assert "slurm_account" not in found["default-resources"]
    assert not {"gpu", "gres"} & found["set-resources"]["retrain"].keys()


def test_gres_without_a_number_ends_the_call():
    with pytest.raises(SystemExit, match=r"profiles/slurm/config\.yaml: gres: 'gpu:a100'; allowed: NAME:NUMBER"):
        profile(gres="gpu:a100")


@pytest.mark.parametrize("key", ["partition", "gpu_partition"])
def test_site_that_names_no_partition_ends_the_call(key):
    with pytest.raises(SystemExit, match=rf"profiles/slurm/config\.yaml: {key}: None; allowed: a name"):
        profile(**{key: None})


def test_every_rule_that_may_use_a_gpu_asks_the_site_for_one():
    stated = profile()["set-resources"]
    texts = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    rules = [
        part
        for part in re.split(r"^rule ", texts, flags=re.MULTILINE)
        if re.search(r"^        gpu=", part, re.MULTILINE)
    ]
    names = {part.partition(":")[0] for part in rules}
    assert names == {"preflight", "evaluate", "replay", "retrain"}
    assert {stated[name]["slurm_partition"] for name in names} == {"'gpu' if threads > 1 else 'cpu'"}
    assert all(re.search(r"^    threads: (?:.*\b8 |gpu_threads)", part, re.MULTILINE) for part in rules)


@pytest.mark.workflow
def test_orphans_are_cancelled_by_nothing_but_a_start_that_submits(stub, tmp_path):
    """tests/slurm has that start."""
    project = copy_project(tmp_path / "project")
    stub("squeue", f"echo '7|freedarts_a|{project.resolve()}'")
    stub("sbatch")
    calls = stub("scancel")
    for arguments in (("results/status.md", "-n"), ("results/status.md",)):
        snakemake(project, *PROFILE, *arguments)
    assert not calls.exists()


@pytest.mark.workflow
@pytest.mark.skipif(shutil.which("sbatch") is not None, reason="there is an sbatch")
def test_start_without_slurm_ends_with_the_reason(tmp_path):
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="the extra `slurm` is not installed")
    project = copy_project(tmp_path / "project")
    search = "results/search/nasbench201/synflow/seed0/scores.json"
    assert "no SLURM here: there is no sbatch on the path" in snakemake(project, *PROFILE, search, check=False)
