"""A SLURM site: whether it takes our jobs, asked before any is submitted; those a dead driver left there; the way of a
job back into the queue."""

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from freedarts.files import InputError
from freedarts.jobs import driver

PROFILE = "profiles/slurm/config.yaml"
JOB_NAMES = "freedarts_"  # slurm-jobname-prefix of the profile
LAST_MINUTES = timedelta(minutes=10)  # of a job: a SIGTERM in them is the warning of its time limit
LONGEST_POLL = 200  # seconds between two looks of the executor plugin at its jobs: 180, and the look itself
WAIT = 90  # seconds that cancelled jobs get to save and end; sites grant 30 (KillWait)

# Words of sbatch's refusal, and what to change for it. The first that fits counts.
ADVICE = {
    "policy": "jobs, or runtime, mem_mb and threads under the rule, which your account or qos limits",
    r"ccount\b": "account; `sacctmgr show associations user=$USER` lists yours",
    "artition": "partition or gpu_partition; partitions here: {partitions}",
    "qos|QOS": "qos under default-resources",
    "gres|GRES": "gres; GPUs here: {gpus}",
    "time limit": "runtime (minutes) under the rule, to what the partition allows; for a group, fewer group-components",
    "node configuration": "what no node there has: gres (GPUs here: {gpus}), or mem_mb and threads under the rule",
    "emory|CPU count|rocessors": "mem_mb or threads under the rule; for a group, its width under resources",
    "feature": "constraint under default-resources or under the rule",
    "contact|respond": "nothing: SLURM does not answer, try again later",
}


def request(threads: int, resources: Mapping[str, object]) -> tuple[str, ...]:
    """Options of sbatch, as the executor plugin gives them."""
    flags = {"slurm_partition": "-p", "slurm_account": "-A", "qos": "-q", "constraint": "-C", "runtime": "-t"}
    flags |= {"mem_mb": "--mem", "gres": "--gres"}
    found = [f"--cpus-per-task={threads}"]
    for name, flag in flags.items():
        if resources.get(name):
            found += [flag, str(resources[name])]
    gpus, model = resources.get("gpu"), resources.get("gpu_model")
    if model:
        found.append(f"--gpus={model}:{1 if gpus is None else gpus}")
    elif gpus:
        found.append(f"--gpus={gpus}")
    return (*found, *shlex.split(str(resources.get("slurm_extra") or "")))


def check(jobs: Iterable[tuple[str, int, Mapping[str, object]]]) -> None:
    """Ask SLURM about every different request of the *jobs*: what they are called, threads, resources.

    Raises InputError with SLURM's refusal and the entry of the profile that is to change.
    """
    requests: dict[tuple[str, ...], str] = {}
    for name, threads, resources in jobs:
        requests.setdefault(request(threads, resources), name)
    if requests and not shutil.which("sbatch"):
        raise InputError(
            "no SLURM here: there is no sbatch on the path; start on a login node, or leave out --workflow-profile"
        )
    for options, name in requests.items():
        done = subprocess.run(["sbatch", "--test-only", *options, "--wrap", "true"], text=True, capture_output=True)
        if done.returncode:
            said = done.stderr.strip().splitlines()
            lines = " ".join(line.removeprefix("sbatch: error: ").removeprefix("allocation failure: ") for line in said)
            raise InputError(
                f"SLURM refuses jobs of {name}: {lines}\n  change in {PROFILE}: {advice(lines)}\n"
                f"  it was asked: sbatch {shlex.join(options)}"
            )


def advice(refusal: str) -> str:
    for words, text in ADVICE.items():
        if re.search(words, refusal):
            return text.format(partitions=_listed("%R"), gpus=_listed("%R %G"))
    return "the entry that asks for this, under default-resources or under the rule"


def _listed(columns: str) -> str:
    done = subprocess.run(["sinfo", "--noheader", "--format", columns], text=True, capture_output=True)
    return ", ".join(dict.fromkeys(line.strip() for line in done.stdout.splitlines())) or "none"


def check_driver(status_command: str | None, first_poll: int, array_jobs: str | None) -> None:
    """Raise InputError for settings of the executor plugin with which the driver would wait for ever or take a job for
    finished that still runs."""
    if array_jobs:
        raise InputError(f"slurm-array-jobs: {array_jobs!r}; leave it out: tasks that still run are taken for finished")
    if status_command != "squeue" or not shutil.which("scontrol"):
        return
    done = subprocess.run(["scontrol", "show", "config"], text=True, capture_output=True)
    if not (found := re.search(r"^MinJobAge\s*=\s*(\d+)", done.stdout, re.MULTILINE)):
        return
    seconds, needed = int(found[1]), max(LONGEST_POLL, 3 * first_poll)
    if seconds < needed:
        raise InputError(
            f"SLURM here forgets a finished job after {seconds} s (MinJobAge), before the driver may ask for it:"
            f" {needed} s are needed\n  change in {PROFILE}: slurm-status-command to sacct, and never use scancel then:"
            " a driver that asks sacct waits for a cancelled job for ever"
        )


def cancel_orphans(folder: str, others: list[Path] | None) -> None:
    """Cancel the jobs that a dead driver of this workflow in *folder* left in the queue, and wait until they have saved
    and gone: they would be at work on what the new driver submits.

    others: signs of life of other drivers there, whose jobs they may be; None where no lock can tell. InputError where
    it has to be found out by hand whether they live."""
    if not shutil.which("squeue") or not (found := _orphans(folder)):
        return
    if (unsure := driver.doubt(others or [])) or others is None:
        why = f"{unsure} &&" if unsure else "no file lock tells if their driver lives; if not:"
        raise InputError(f"jobs of this folder are in SLURM's queue: {why} scancel {' '.join(found)}")
    if others:
        print(f"SLURM jobs of another driver here go on: {' '.join(found)}", flush=True)
        return
    print(f"SLURM jobs of a dead driver are cancelled: {' '.join(found)}", flush=True)
    subprocess.run(["scancel", *found], capture_output=True)
    deadline = time.monotonic() + WAIT
    while _orphans(folder) and time.monotonic() < deadline:
        time.sleep(1)


def _orphans(folder: str) -> list[str]:
    command = ["squeue", "--me", "--noheader", "--format", "%i|%j|%Z"]
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = (line.split("|", 2) for line in done.stdout.splitlines())
    return [number for number, name, where in rows if name.startswith(JOB_NAMES) and os.path.realpath(where) == folder]


def requeue() -> bool:
    """Put this process's job back into SLURM's queue if it is of this workflow and its time is up, and say whether it
    is there: what has saved its state goes on, and the driver's attempts stay for failures. Not for one that was
    cancelled or preempted."""
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return False
    # The name is asked for too: within a job step SLURM_JOB_NAME is that of the program.
    command = ["squeue", "--noheader", "--jobs", job, "--format", "%T %e %j"]
    try:
        asked = subprocess.run(command, text=True, capture_output=True, timeout=30)
        state, end, name = asked.stdout.split()
        if not name.startswith(JOB_NAMES) or state != "RUNNING":
            return False
        if datetime.fromisoformat(end) - datetime.now() > LAST_MINUTES:
            return False
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    return not subprocess.run(["scontrol", "requeue", job], capture_output=True).returncode
