"""A Snakemake driver and its jobs: their environment, the end of a job with its driver, the lock of a dead driver."""

import ctypes
import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import IO

from freedarts.files import InputError

DRIVER = "FREEDARTS_DRIVER"  # environment variable: the process whose children are jobs, and where its number counts
PYTHON = "FREEDARTS_PYTHON"  # environment variable: that of Snakemake, which an environment of conda has not
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def set_job_environment(base: Path) -> None:
    """Let jobs find this process's python, its environment activated or not, and the library and scripts in *base*."""
    for name, folder in (("PATH", Path(sys.executable).parent), ("PYTHONPATH", base)):
        os.environ[name] = os.pathsep.join(filter(None, [str(folder), os.environ.get(name)]))
    os.environ[DRIVER] = f"{os.getpid()}@{_namespace()}"
    os.environ[PYTHON] = sys.executable


def stop_with_driver() -> None:
    """Let this process, if it is the child of a Snakemake, get a SIGTERM when that dies, were it by kill -9: its next
    attempt must not find this one at work. InputError if it is dead by now: the imports of a job take seconds. Linux
    only; elsewhere such a job runs to its end."""
    pid, _, namespace = os.environ.get(DRIVER, "").partition("@")
    if not (pid and namespace) or namespace != _namespace():
        return
    if pid == str(os.getppid()):
        end_with_parent(signal.SIGTERM)
    try:
        alive = Path(f"/proc/{pid}/cmdline").read_bytes()  # a zombie has none
    except OSError:
        alive = b""
    if not alive:
        raise InputError("the Snakemake that started this job is gone")


def _namespace() -> str:
    """Which processes this one can see; a container may have its own."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def end_with_parent(number: int) -> None:
    """Let this process get the signal *number* when its parent dies, however that ends; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def remove_dead_lock(folder: Path, keep: bool) -> IO | None:
    """Remove the locks in *folder* (Snakemake's `.snakemake`) unless a living driver of this workflow is at work there.

    Every driver holds an flock on one file for as long as it lives, however it ends; the kernel releases it. With
    *keep* the returned file must be kept open as that sign of life.
    """
    folder.mkdir(exist_ok=True)
    sign = (folder / "driver").open("w")
    for _ in range(20):  # a dry run holds the file for a moment
        try:
            fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:  # the file system has no locks: leave the decision to the user
            return None
    else:
        return None
    shutil.rmtree(folder / "locks", ignore_errors=True)
    if keep:
        return sign
    sign.close()
    return None


def at_work(folder: Path) -> bool:
    """Whether a living driver of this workflow is at work in *folder* (Snakemake's `.snakemake`)."""
    try:
        with (folder / "driver").open("r+") as sign:
            fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no driver was ever here, or the file system has no locks
        pass
    return False
