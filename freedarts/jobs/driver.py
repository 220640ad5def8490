"""A Snakemake driver and its jobs: their environment, the end of a job with its driver, the lock of a dead driver."""

import atexit
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from freedarts.files import InputError, exists, files_in

DRIVER = "FREEDARTS_DRIVER"  # environment variable: the process whose children are jobs, and where its number counts
PYTHON = "FREEDARTS_PYTHON"  # environment variable: that of Snakemake, which an environment of conda has not
SIGNS = "drivers"  # folder of the signs of life, named HOST.PROCESS
WRITTEN = ("iocache", "locks", "metadata", "incomplete", SIGNS)  # in Snakemake's folder
HOST = socket.gethostname()
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


def sign_of_life(folder: Path) -> IO | None:
    """A file in *folder* (Snakemake's `.snakemake`) that this process holds an flock on for as long as it lives: the
    kernel releases it, however it ends. To be kept open; None where the file system has no locks, or nothing can be
    written."""
    signs, name = folder / SIGNS, f"{HOST}.{os.getpid()}"
    try:
        signs.mkdir(parents=True, exist_ok=True)
        sign = (folder / f"sign.{name}").open("w")
        fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.replace(sign.name, signs / name)  # held before anyone sees it
    except OSError:
        return None
    atexit.register((signs / name).unlink, missing_ok=True)
    return sign


def at_work(folder: Path) -> list[Path]:
    """The signs in *folder* of other processes that live or may live. Signs of the dead are removed."""
    signs = []
    for sign in files_in(folder / SIGNS):
        if sign.name == f"{HOST}.{os.getpid()}":
            continue
        if _held(sign) is False:
            with suppress(OSError):  # of another user, who lets nobody
                sign.unlink()
        else:
            signs.append(sign)
    return signs


def _held(sign: Path) -> bool | None:
    """Whether the process of *sign* lives; None if that cannot be told: the locks of some file systems do not reach
    other hosts, and another user may let nobody read theirs."""
    if sign.name.rpartition(".")[0] != HOST:
        return None
    try:
        with sign.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # to share: a file open to read has no other everywhere
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def check_writable(folder: Path) -> None:
    """InputError where Snakemake may not write to *folder*, its `.snakemake`, as one of another user: a dry run ends in
    a traceback there too."""
    there = folder if exists(folder) else folder.parent
    for part in (there, *(folder / name for name in WRITTEN)):
        if exists(part) and not os.access(part, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise InputError(
                f"{part}: a run writes there, and this user may not; ask {_owner(part)}, to whom it belongs, or"
                " take a folder of your own: snakemake --directory FOLDER"
            )


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"


def remove_dead_lock(folder: Path) -> IO | None:
    """Remove Snakemake's locks in *folder* unless another process is or may be at work there. Returns this one's sign
    of life."""
    sign, others, locks = sign_of_life(folder), at_work(folder), folder / "locks"
    if sign and not others:
        shutil.rmtree(locks, ignore_errors=True)
    if (unsure := doubt(others)) and locks.is_dir() and any(locks.iterdir()):
        print(f"note: {unsure}", file=sys.stderr)
    return sign


def doubt(signs: list[Path]) -> str | None:
    """What to do about those of *signs* of which no lock can tell; None if there are none."""
    unsure = [sign for sign in signs if _held(sign) is None]
    if not unsure:
        return None
    host, _, pid = unsure[0].name.rpartition(".")
    return (
        f"a Snakemake on {host}, process {pid}, is at work here or was killed; if it is dead:"
        f" rm {' '.join(map(str, unsure))}"
    )
