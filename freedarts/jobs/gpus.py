"""GPU slots: jobs on one machine share its GPUs out among themselves. Imports no torch."""

import fcntl
import os
import random
import re
import subprocess
import tempfile
import time
from itertools import takewhile
from pathlib import Path
from typing import IO

from freedarts.files import InputError

VARIABLE = "CUDA_VISIBLE_DEVICES"
INSTANCE = "MIG-"  # how the names of a divided GPU's parts begin
FOLDER = Path(tempfile.gettempdir()) / f"freedarts-gpus-{os.getuid()}"


def visible() -> list[str]:
    """The GPUs that this process may use, each once, by the name that CUDA takes and that its lock has.

    They are those in CUDA_VISIBLE_DEVICES where it is set (a cluster sets it), up to a negative number, at which CUDA
    stops too; else all of the machine. The name is the GPU's UUID: of two jobs that a cluster gave a GPU each, both may
    see theirs as number 0, and CUDA itself may count in another order than nvidia-smi, whose numbers these are taken
    for. A GPU that is divided (MIG) is not used as a whole: its instances are, one by one.
    """
    parts = _parts()
    given = os.environ.get(VARIABLE)
    if given is None:
        names = list(parts)
    else:
        devices = filter(None, map(str.strip, given.split(",")))
        names = [_whole(device, list(parts)) for device in takewhile(lambda name: not name.startswith("-"), devices)]
    return list(dict.fromkeys(part for name in names for part in parts.get(name) or [name]))


def _whole(device: str, uuids: list[str]) -> str:
    """The UUID for a number or the beginning of a UUID; any other name, and that of an instance, stays."""
    if device.isdecimal():
        return dict(enumerate(uuids)).get(int(device), device)
    matching = [uuid for uuid in uuids if device.startswith("GPU-") and uuid.startswith(device)]
    return matching[0] if len(matching) == 1 else device


def _parts() -> dict[str, list[str]]:
    """The UUIDs of the machine's GPUs, with those of the instances of each that is divided; none without NVIDIA's
    driver."""
    try:
        done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {}
    parts = {}
    for uuid in re.findall(r"^(?:GPU \d+|\s+MIG ).*\(UUID: ([^)]+)\)", done.stdout, re.MULTILINE):
        if uuid.startswith("GPU-"):
            parts[uuid] = []
        elif parts:
            parts[list(parts)[-1]].append(uuid)
    return parts


def take(
    devices: list[str], count: int = 1, folder: Path = FOLDER, seconds: float = float("inf"), share: int = 1
) -> tuple[list[str], list[IO]]:
    """The first *count* of *devices* (see `visible`) that no other job has, waiting for up to *seconds* until there are
    so many. Those that are not enough are given back: two jobs must not wait for each other's. share: with how many
    jobs, this one counted, it has them; a job that asks for a whole GPU waits for all of them, and they for it.

    They are this process's for as long as the returned files are open: the kernel releases the locks of a process that
    ends, however it ends. Raises InputError when the time is up.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    said = False
    while True:
        taken, held = [], []
        for device in devices:
            if files := _slot(folder / device.replace("/", "_"), share):
                taken.append(device)
                held += files
            if len(taken) == count:
                return taken, held
        for file in held:
            file.close()
        if time.monotonic() >= deadline:
            raise InputError(f"GPU {', '.join(devices)}: in use by other jobs")
        if not said:
            print(f"GPU {', '.join(devices)}: in use by other jobs; this one waits", flush=True)
            said = True
        time.sleep(random.uniform(0.1, 0.3))  # two jobs that try at the same time must not do so again


def _slot(path: Path, share: int) -> list[IO]:
    """The GPU of *path* for one job or, all of them locking it together, one of its *share* places; none if taken."""
    whole = _locked(path, fcntl.LOCK_EX if share == 1 else fcntl.LOCK_SH)
    if whole is None or share == 1:
        return [whole] if whole else []
    for place in range(share):
        if file := _locked(path.with_name(f"{path.name}.{place}"), fcntl.LOCK_EX):
            return [whole, file]
    whole.close()
    return []


def _locked(path: Path, kind: int) -> IO | None:
    file = path.open("a")
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def claim(count: int = 1, folder: Path = FOLDER, share: int = 1) -> list[IO]:
    """Take *count* of the visible GPUs, see `take`, and hide the others from this process; before CUDA is used. Nothing
    if there is none. The returned files must be kept open as long as the GPUs are used."""
    devices = visible()
    if not devices:
        return []
    if count > len(devices):
        raise InputError(f"--gpus {count}: only {len(devices)} can be used here ({', '.join(devices)})")
    if count > 1 and any(device.startswith(INSTANCE) for device in devices):
        raise InputError(f"--gpus {count}: a process uses one MIG instance at most; allowed here: 1")
    taken, files = take(devices, count, folder, share=share)
    os.environ[VARIABLE] = ",".join(taken)
    return files
