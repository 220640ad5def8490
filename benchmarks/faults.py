"""Faults in the way of a run, and whether one more call of Snakemake ends with the same results. Exit status 1 if a
call failed or something was lost.

`python -m benchmarks.faults` (as root for the full disk and the read-only folder; an hour): each fault meets a small
run of its own from nothing, at a moment drawn at random: kill -9 of the driver, of the driver with its jobs, or of one
job. A full disk is a tmpfs with all that a run writes, .snakemake and the logs included, on which nothing is left from
some moment on until the call has failed. Snakemake leaves an empty record of a job that ends just then; it is still
marked as unfinished, so that the one more call needs no other command. Inputs are damaged between stages: cut in half,
or changed to other valid JSON, before or after a stage read them; there the documented command is
`freedarts repair` before the one more call.

`python -m benchmarks.faults --quick` (about three quick runs): all kills meet one run of the default configuration,
each the call that goes on after the one before. What Snakemake had recorded as finished must stay as it is, to the time
of the file, and no epoch that is in a checkpoint may be trained again.
"""

import argparse
import base64
import io
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd
import torch
import yaml
from safetensors.numpy import load_file
from tabulate import tabulate

from freedarts.files import sha256
from freedarts.jobs.checkpoints import DIGEST_SIZE
from tests.support import TINY_TASK, command, copy_project, table

SCORES = ("synflow", "synflow-released")
OVERLAY = {
    "tasks": {"tiny": TINY_TASK | {"protocol": TINY_TASK["protocol"] | {"epochs": 4}}},
    "search": [{"supernets": ["nasbench201"], "scores": list(SCORES), "seeds": 1}],
    "correlation": [],
    "costs": [{"tasks": ["tiny"], "supernets": ["nasbench201"], "sources": ["synflow"]}],
    "retrain": [
        {"task": "tiny", "supernet": "nasbench201", "source": score, "seeds": [0], "runs": 1} for score in SCORES
    ],
}
SEARCH = "results/search/nasbench201/synflow/seed0/scores.json"
GENOTYPE = "results/genotypes/nasbench201/synflow/seed0.json"
METRICS = "results/retrain/tiny/nasbench201/synflow/seed0/run0/metrics.json"
WEIGHTS = METRICS.replace("metrics.json", "weights.safetensors")
KILLS = ("driver", "driver and jobs", "one job")
TRIES = 10  # of a fault, until one meets the run
PAUSE = 5  # seconds in the mean until a kill that is due: in the middle of jobs too
DISK = 40 * 2**20  # bytes: several times what a small run makes
MADE = ("results", "checkpoints", "logs", ".snakemake")


def prepare(project: Path, overlay: dict) -> Path:
    copy_project(project)
    (project / "faults.yaml").write_text(yaml.safe_dump(overlay))
    return project


def start(project: Path, *arguments: str) -> subprocess.Popen:
    log = (project / "driver.log").open("w")
    return subprocess.Popen(
        command("--configfile", "faults.yaml", "--cores", "2", *arguments),
        **{"cwd": project, "stdout": log, "stderr": log, "start_new_session": True},
    )


def finish(project: Path, *arguments: str) -> int:
    return start(project, *arguments).wait()


def uninterrupted(project: Path) -> float:
    """Seconds of a run."""
    begin = time.perf_counter()
    if finish(project):
        sys.exit(said(project))
    return time.perf_counter() - begin


def said(project: Path) -> str:
    return (project / "driver.log").read_text()[-3000:]


def results(project: Path) -> dict:
    """The table but for times, memory and the commit, which a copy of the project has not, and the weights of the
    trainings."""
    found = {key: value for key, value in table(project).items() if key[-1] != "commit"}
    for path in sorted(project.glob("results/retrain/**/weights.safetensors")):
        found |= {(str(path.relative_to(project)), name): t.tobytes() for name, t in load_file(path).items()}
    return found


def differing(project: Path, expected: dict) -> int:
    found = results(project)
    return sum(found.get(key) != value for key, value in expected.items())


def jobs(driver: int) -> list[int]:
    """Processes of the project's scripts below the driver, shells apart."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (path / "cmdline").read_bytes().split(b"\0")
            if (
                b"-m" in words
                and any(word.startswith(b"scripts.") for word in words)
                and os.getsid(int(path.name)) == driver
            ):
                found.append(int(path.name))
    return found


def strike(driver: subprocess.Popen, what: str, choose: random.Random) -> bool:
    """kill -9; False if the driver ended before. One job is waited for."""
    while driver.poll() is None:
        if what != "one job":
            (os.kill if what == "driver" else os.killpg)(driver.pid, signal.SIGKILL)
            return driver.wait() == -signal.SIGKILL
        if running := jobs(driver.pid):
            with suppress(ProcessLookupError):
                os.kill(choose.choice(running), signal.SIGKILL)
                return True
        time.sleep(0.05)
    return False


def kill(project: Path, what: str, moment: float, choose: random.Random) -> bool:
    """Whether the fault met the run: False if that was done before."""
    driver = start(project)
    time.sleep(moment)
    return strike(driver, what, choose) and driver.wait() != 0


def full_disk(project: Path, moment: float) -> bool:
    """Where another file takes all that is left on the file system of all that a run makes, and goes away later."""
    disk = project / "disk"
    disk.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", disk)
    for name in MADE:
        (disk / name).mkdir()
        (project / name).symlink_to(disk / name)
    driver = start(project)
    time.sleep(moment)
    with suppress(OSError), (disk / "other").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    failed = driver.wait() != 0
    (disk / "other").unlink()
    return failed


def read_only(project: Path, moment: float) -> bool:
    """Where the folder of results turns read-only for a while."""
    folder = project / "results"
    folder.mkdir()
    driver = start(project)
    time.sleep(moment)
    mount("--bind", folder, folder)
    mount("-o", "remount,bind,ro", folder)
    failed = driver.wait() != 0
    subprocess.run(["umount", "--lazy", folder], check=True)
    return failed


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change(path: Path) -> None:
    """To another result that could be one."""
    content = json.loads(path.read_text())
    if "scores" in content:
        content["scores"] = {group: [row[::-1] for row in matrix] for group, matrix in content["scores"].items()}
    elif "arch" in content:
        content["arch"] = "|nor_conv_1x1~0|+|avg_pool_3x3~0|skip_connect~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
    else:
        content["error_last"] /= 2
    path.write_text(json.dumps(content))


def damage(project: Path, name: str, until: str, spoil: Callable[[Path], None], passed_on: bool) -> bool:
    """Where a file is spoilt after a rule. passed_on: whether a call of Snakemake goes on with it before the repair."""
    finish(project, "--until", until)
    spoil(project / name)
    if passed_on:
        finish(project)
    subprocess.run([sys.executable, "-m", "freedarts", "repair"], cwd=project, stdout=subprocess.DEVNULL, check=True)
    return True


def mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def clear(project: Path) -> None:
    if (project / "disk").is_mount():
        subprocess.run(["umount", "--lazy", project / "disk"], check=True)
    for name in MADE:
        path = project / name
        path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)


def finished(project: Path) -> dict[Path, tuple[int, str]]:
    """The outputs of all jobs that Snakemake recorded as finished: when they were written, and a digest."""
    records, begun = (project / ".snakemake" / name for name in ("metadata", "incomplete"))
    found = {}
    for path in records.rglob("*"):
        record = path.relative_to(records)
        if path.is_file() and not (begun / record).exists():
            # A long name is spread over folders that begin with @.
            name = base64.urlsafe_b64decode("".join(part.removeprefix("@") for part in record.parts)).decode()
            with suppress(FileNotFoundError):  # of a job that failed: it has a record too
                found[Path(name)] = ((project / name).stat().st_mtime_ns, sha256(project / name))
    return found


def epochs(project: Path) -> set[str]:
    """The seconds of all epochs in the newest checkpoints, as history.csv has them; no two epochs take the same."""
    newest = {path.parent: path for path in sorted(project.glob("checkpoints/*/step*.pt"))}
    saved = (torch.load(io.BytesIO(path.read_bytes()[DIGEST_SIZE:]), weights_only=True) for path in newest.values())
    trainings = (content["state"] for content in saved if "state" in content)  # scores of architectures have some too
    return {f"{row['seconds']:.9g}" for training in trainings for row in training["history"]}


class Kept:
    """What must not change any more, and what of it did."""

    def __init__(self, project: Path):
        self.project = project
        self.finished, self.epochs, self.lost = {}, set(), set()

    def look(self) -> None:
        now = finished(self.project)
        self.lost |= {path for path, state in self.finished.items() if now.get(path) != state}
        self.finished |= now
        self.epochs |= epochs(self.project)

    def repeated(self) -> set[str]:
        """Epochs that were in a checkpoint, and are in no history."""
        histories = self.project.glob("results/retrain/**/history.csv")
        return self.epochs - {value for path in histories for value in pd.read_csv(path, dtype=str)["seconds"]}


def quick(kills: int, expected: Path | None, choose: random.Random, folder: Path) -> bool:
    """Print what the kills made of a quick run; whether that is as it should be."""
    if expected is None:
        expected = prepare(folder / "uninterrupted", {})
        print(f"A quick run takes {uninterrupted(expected):.0f} s.", flush=True)
    values = results(expected)
    # When so many files are finished: spread over the run, however busy the machine is, but for its very end.
    moments = sorted(choose.sample(range(19 * len(finished(expected)) // 20), kills))

    project = prepare(folder / "project", {})
    kept, met = Kept(project), Counter()
    begin = time.perf_counter()
    driver, hurt, calls = start(project), False, 1
    while True:
        while driver.poll() is None and not (moments and len(finished(project)) >= moments[0]):
            time.sleep(0.5)
        if driver.poll() is None:
            time.sleep(choose.expovariate(1 / PAUSE))
            what = choose.choice(KILLS)
            kept.look()
            struck = strike(driver, what, choose)
            kept.look()
            if struck:
                moments.pop(0)
                met[what] += 1
                print(f"{time.perf_counter() - begin:.0f} s: {what}", file=sys.stderr, flush=True)
            if what == "one job" or not struck:  # the call goes on, or has ended by itself
                hurt |= struck
                continue
        elif not (driver.returncode and hurt):
            failed = driver.returncode != 0
            break
        driver, hurt, calls = start(project), False, calls + 1
    took = time.perf_counter() - begin
    kept.look()
    lost = len(values) if failed else differing(project, values)
    repeated = kept.repeated()
    if failed or lost:
        print(said(project), flush=True)
    print(f"With the kills it took {took:.0f} s and {calls} calls.\n")
    rows = [
        *((f"kill -9 of {what}", met[what]) for what in KILLS),
        ("calls that failed by themselves", int(failed)),
        (f"values lost or changed, of {len(values)}", lost),
        (f"finished files lost or made again, of {len(kept.finished)}", len(kept.lost)),
        (f"epochs trained again, of {len(kept.epochs)} in checkpoints", len(repeated)),
    ]
    print(tabulate(rows, ("", "number"), tablefmt="pipe"))
    print(*sorted(kept.lost), sep="\n")
    return not moments and not (failed or lost or kept.lost or repeated)


def small(kills: int, choose: random.Random, folder: Path) -> bool:
    """Print what each fault made of a small run of its own; whether that is as it should be."""
    project = prepare(folder / "project", OVERLAY)
    seconds = uninterrupted(project)
    expected = results(project)

    def moment() -> float:
        return choose.uniform(0, seconds)

    faults: list[tuple[str, Callable[[], bool]]] = []
    for kind, spoil, passed_on, cases in (
        ("input cut in half", cut, True, {SEARCH: "search", GENOTYPE: "derive", WEIGHTS: "retrain"}),
        ("input changed before it was read", change, True, {SEARCH: "search", GENOTYPE: "derive", METRICS: "retrain"}),
        ("input changed after it was read", change, False, {SEARCH: "derive", GENOTYPE: "retrain", METRICS: "tables"}),
    ):
        for case in cases.items():
            faults.append((kind, lambda c=case, s=spoil, p=passed_on: damage(project, *c, s, p)))
    if os.getuid() == 0:
        faults += [("full disk", lambda: full_disk(project, moment()))] * 5
        faults += [("read-only results", lambda: read_only(project, moment()))] * 2
    for _ in range(kills):
        what = choose.choice(KILLS)
        faults.append((f"kill -9 of {what}", lambda what=what: kill(project, what, moment(), choose)))

    outcomes, well = {}, True
    for number, (kind, fault) in enumerate(faults, 1):
        print(f"{number}/{len(faults)} {kind}", file=sys.stderr, flush=True)
        for _ in range(TRIES):
            clear(project)
            if fault():
                break
        else:
            print(f"{kind}: came too late {TRIES} times", flush=True)
            well = False
            continue
        begin = time.perf_counter()
        failed = finish(project) != 0
        again = time.perf_counter() - begin
        lost = len(expected) if failed else differing(project, expected)
        if failed or lost:
            print(f"{number} {kind}: exit {failed}, {lost} values differ", said(project), flush=True)
            well = False
        outcomes.setdefault(kind, []).append((failed, lost, again))
    clear(project)
    rows = [
        (kind, len(runs), *(sum(run[i] for run in runs) for i in range(2)), statistics.median(run[2] for run in runs))
        for kind, runs in outcomes.items()
    ]
    headers = ("fault", "tried", "one more call failed", "values lost or changed", "seconds of that call, median")
    print(f"A run takes {seconds:.0f} s; {len(expected)} values are compared.\n")
    print(tabulate(rows, headers, tablefmt="pipe", floatfmt=".1f"))
    return well


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=30, help="kills (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="of kinds and moments (default 0)")
    parser.add_argument("--quick", action="store_true", help="kills alone, all in one run of the default configuration")
    parser.add_argument("--expected", type=Path, help="a folder where that run is finished, for --quick")
    arguments = parser.parse_args()
    choose = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        if arguments.quick:
            well = quick(arguments.faults, arguments.expected, choose, Path(name))
        else:
            well = small(arguments.faults, choose, Path(name))
    sys.exit(not well)


if __name__ == "__main__":
    main()
