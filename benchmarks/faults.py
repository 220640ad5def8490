"""Faults in the way of a small run, and whether one more call of Snakemake ends with the same results:
`python -m benchmarks.faults` (as root for the full disk and the read-only folder; half an hour).

Each fault meets a run of its own from nothing, at a moment drawn at random: kill -9 of the driver, of the driver with
its jobs, or of one job. A full disk is a tmpfs that holds a part of what the run writes; then it grows. Damaged inputs
lie between stages; there the documented command is `python -m freedarts.repair` before the one more call.
"""

import argparse
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import yaml
from safetensors.numpy import load_file
from tabulate import tabulate

from tests.conftest import TINY_TASK
from tests.test_workflow import command, copy_project, table

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
WEIGHTS = "results/retrain/tiny/nasbench201/synflow/seed0/run0/weights.safetensors"
TRIES = 10  # of a fault, until one meets the run
MADE = ("results", "checkpoints", "logs", ".snakemake")


def start(project: Path, *arguments: str) -> subprocess.Popen:
    log = (project / "driver.log").open("w")
    return subprocess.Popen(
        command("--configfile", "faults.yaml", "--cores", "2", *arguments),
        **{"cwd": project, "stdout": log, "stderr": log, "start_new_session": True},
    )


def finish(project: Path, *arguments: str) -> int:
    return start(project, *arguments).wait()


def results(project: Path) -> dict:
    """The table but for times and memory, and the weights of the trainings."""
    found = dict(table(project))
    for path in sorted(project.glob("results/retrain/**/weights.safetensors")):
        found |= {(str(path.relative_to(project)), name): t.tobytes() for name, t in load_file(path).items()}
    return found


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


def kill(project: Path, what: str, moment: float, choose: random.Random) -> bool:
    """Whether the fault met the run: False if that was done before."""
    driver = start(project)
    time.sleep(moment)
    while what == "one job" and driver.poll() is None and not jobs(driver.pid):
        time.sleep(0.05)
    if driver.poll() is not None:
        return False
    with suppress(ProcessLookupError):
        if what == "driver":
            os.kill(driver.pid, signal.SIGKILL)
        elif what == "driver and jobs":
            os.killpg(driver.pid, signal.SIGKILL)
        elif running := jobs(driver.pid):
            os.kill(choose.choice(running), signal.SIGKILL)
        else:
            os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    return True


def full_disk(project: Path, share: float, needed: int) -> bool:
    """Where results and checkpoints lie on a file system that is full before the run is done, and then grows."""
    disk = project / "disk"
    disk.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={int(share * needed)}", "tmpfs", disk)
    for name in ("results", "checkpoints"):
        (disk / name).mkdir()
        (project / name).symlink_to(disk / name)
    failed = finish(project) != 0
    mount("-o", f"remount,size={4 * needed}", disk)
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


def damage(project: Path, name: str, until: tuple[str, ...]) -> bool:
    """Where a file is cut in half after the rule that made it; whether the next run says so."""
    finish(project, *until)
    path = project / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with suppress(FileNotFoundError):
        (project / "results/tables.md").unlink()
    failed = finish(project) != 0
    subprocess.run([sys.executable, "-m", "freedarts.repair"], cwd=project, stdout=subprocess.DEVNULL, check=True)
    return failed or name == WEIGHTS  # which no table reads


def mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def clear(project: Path) -> None:
    if (project / "disk").is_mount():
        subprocess.run(["umount", "--lazy", project / "disk"], check=True)
    for name in MADE:
        path = project / name
        path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=30, help="kills (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="of kinds and moments (default 0)")
    arguments = parser.parse_args()
    choose = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        project = copy_project(Path(name) / "project")
        (project / "faults.yaml").write_text(yaml.safe_dump(OVERLAY))
        begin = time.perf_counter()
        if finish(project):
            sys.exit((project / "driver.log").read_text())
        seconds = time.perf_counter() - begin
        expected = results(project)
        needed = sum(path.stat().st_size for top in MADE[:2] for path in (project / top).rglob("*") if path.is_file())

        def moment() -> float:
            return choose.uniform(0, seconds)

        faults: list[tuple[str, Callable[[], bool]]] = []
        for _ in range(arguments.faults):
            what = choose.choice(["driver", "driver and jobs", "one job"])
            faults.append((f"kill -9 of {what}", lambda what=what: kill(project, what, moment(), choose)))
        if os.getuid() == 0:
            faults += [("full disk", lambda: full_disk(project, choose.uniform(0, 1), needed))] * 3
            faults += [("read-only results", lambda: read_only(project, moment()))] * 2
        for damaged, rule in ((SEARCH, "search"), (GENOTYPE, "derive"), (WEIGHTS, "retrain")):
            faults.append(("damaged input", lambda n=damaged, r=rule: damage(project, n, ("--until", r))))

        outcomes = {}
        for number, (kind, fault) in enumerate(faults, 1):
            print(f"{number}/{len(faults)} {kind}", file=sys.stderr, flush=True)
            for _ in range(TRIES):
                clear(project)
                if fault():
                    break
            else:
                print(f"{kind}: came too late {TRIES} times", flush=True)
                continue
            begin = time.perf_counter()
            failed = finish(project) != 0
            again = time.perf_counter() - begin
            found = {} if failed else results(project)
            lost = sum(found.get(key) != value for key, value in expected.items())
            if failed or lost:
                print(
                    f"{kind}: exit {failed}, {lost} values differ",
                    (project / "driver.log").read_text()[-3000:],
                    flush=True,
                )
            outcomes.setdefault(kind, []).append((failed, lost, again))
        clear(project)
    rows = [
        (
            kind,
            len(runs),
            sum(run[0] for run in runs),
            sum(run[1] for run in runs),
            statistics.median(r[2] for r in runs),
        )
        for kind, runs in outcomes.items()
    ]
    headers = ("fault", "tried", "one more call failed", "values lost or changed", "seconds of that call, median")
    print(f"A run takes {seconds:.0f} s; {len(expected)} values are compared.\n")
    print(tabulate(rows, headers, tablefmt="pipe", floatfmt=".1f"))


if __name__ == "__main__":
    main()
