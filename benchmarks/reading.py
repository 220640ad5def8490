"""Readings that fail, and what is lost by them. Exit status 1 if something was removed, changed or made again.

`python -m benchmarks.reading` (a quarter of an hour): a small run is made with Snakemake, and a training in it is
stopped in its last epoch. Then every command that reads results is called again and again, in a process of its own, and
each time another one of its readings fails, and all later ones of the same file or folder: for want of a permission
(EACCES), because the disk does not answer (EIO), or because the file is another one on the server by now (ESTALE). What
is read is looked at, listed or opened. Which readings fail is drawn at random, or all do, one after another
(`--readings 0`; hours). The command must end with one line that names the file and the reason and leave all as it is,
or do the same as without the fault. Where Snakemake plans, that is nothing, and a training must keep its epochs.
"""

import argparse
import errno
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from snakemake import cli
from tabulate import tabulate

from benchmarks.faults import METRICS, OVERLAY, SEARCH, cut, epochs, prepare, uninterrupted
from freedarts import files
from freedarts.commands import pack, repair, verify
from freedarts.jobs.checkpoints import Interrupted
from freedarts.jobs.environment import Engine, set_up
from freedarts.results import manifest
from freedarts.results.pack import pack as pack_to
from freedarts.study import code, paths
from freedarts.training import retrain
from scripts import tables
from tests.support import FailingReads

ERRORS = (errno.EACCES, errno.EIO, errno.ESTALE)
STOPPED = Path(METRICS.replace("run0", "run1"))
PACKED = Path("results.zip")
FORK = get_context("fork")  # what the commands import is there


@dataclass(frozen=True)
class Ran:
    """A command that was called: exit status, what it said and read, the digests of the files that it left, and whether
    checkpoints lack epochs that they had."""

    status: int
    said: str
    read: list[str]
    left: dict[str, str]
    lost: bool


@dataclass(frozen=True)
class Case:
    """A command; what is done to the results beforehand; the folders whose files move on with a training; what says
    that it did what it does without a fault; whether its errors are the project's."""

    name: str
    call: Callable[[], None]
    before: Callable[[], object] = list
    moving: tuple[str, ...] = ()
    did: Callable[[Ran, Ran], bool] = lambda plain, ran: ran.said == plain.said
    ours: bool = True


def train(stop: Callable[[], bool] = lambda: False) -> None:
    """The training that is stopped, or goes on."""
    genotype = Path("results/genotypes/nasbench201/synflow/seed0.json")
    settings = {key: OVERLAY["tasks"]["tiny"][key] for key in ("space", "dataset", "network", "protocol")}
    job = retrain.Run(genotype, "tiny", settings, 1)
    retrain.retrain(job, Engine(set_up("cpu", 1)), Path("checkpoints"), stop, STOPPED)


def stop_training() -> None:
    asked = count()  # after each batch, of which an epoch with its test has 47
    try:
        train(lambda: next(asked) == 150)
    except Interrupted:
        return
    raise AssertionError("the training was not stopped")


def make_tables() -> None:
    settings = json.dumps(manifest.read(manifest.NAME)["settings"])
    given = {name: f"resources/{name.rpartition('-')[2]}.yaml" for name in ("numbers", "objectives", "published-costs")}
    options = [part for name, path in given.items() for part in (f"--{name}", path)]
    kept = map(str, sorted(Path(paths.KEPT_REPLAYS).glob("*.json")))
    options += ["--kept", *kept, "--kept-tables", paths.KEPT_TABLES]
    sys.argv = ["tables", "--settings", settings, *options, "--output", "results/tables.md"]
    tables.main()


def mend() -> None:
    repair.main(Namespace(dry_run=False, records=Path(".snakemake")))


def plan() -> None:
    code.BASE = Path.cwd()  # the digests of the code are those of the copy
    cli.main(["-n", "--configfile", "faults.yaml", "--cores", "1", "results/tables.md"])


CASES = (
    Case("verify", lambda: verify.main(Namespace())),
    Case("repair", mend),
    Case("repair, a search cut in half", mend, lambda: cut(Path(SEARCH))),
    Case("pack", lambda: pack.main(Namespace(name=None, unpack=False, file=PACKED))),
    Case("pack --unpack", lambda: pack.main(Namespace(unpack=True, file=PACKED)), lambda: pack_to(PACKED)),
    Case("tables", make_tables),
    Case("a training that goes on", train, moving=("checkpoints", str(STOPPED.parent)), did=lambda plain, ran: True),
    Case(
        "snakemake -n",
        plan,
        did=lambda plain, ran: "Nothing to be done" in ran.said,
        ours=False,
    ),
)


def state(project: Path, moving: tuple[str, ...]) -> dict[str, str]:
    """Digests of all files but those, and what Snakemake and Python note of a call."""
    names = {str(path.relative_to(project)): path for path in files.files_in(project)}
    passing = (*moving, ".snakemake/log", ".snakemake/iocache")
    return {
        name: files.sha256(path)
        for name, path in names.items()
        if not name.startswith(passing) and path.suffix != ".pyc"
    }


def _call(project: Path, case: Case, fault: tuple[int | None, int], said: Path, answer: Connection) -> None:
    os.chdir(project)
    with said.open("w") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    status = 0
    with FailingReads(project, *fault) as read:
        try:
            files.run(case.call)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
            print(end.code if isinstance(end.code, str) else "", file=sys.stderr)
        except BaseException:
            status = 1
            traceback.print_exc()
    sys.stdout.flush()
    answer.send((status, read))
    os._exit(0)


def call(project: Path, case: Case, at: int | None = None, number: int = 0) -> Ran:
    said, begun = project.with_name("said"), epochs(project)
    there, here = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_call, args=(project, case, (at, number), said, here))
    process.start()
    status, read = there.recv()
    process.join()
    return Ran(status, said.read_text(), read, state(project, case.moving), not begun <= epochs(project))


STOPPED_WELL, WENT_ON = "stopped with one line", "went on, the same"
OUTCOMES = (STOPPED_WELL, WENT_ON, "stopped otherwise", "went on otherwise", "removed, changed or made again")


def outcome(case: Case, before: dict[str, str], plain: Ran, ran: Ran, at: int, number: int) -> str:
    if ran.lost or ran.left != (before if ran.status else plain.left):
        return "removed, changed or made again"
    if ran.status == 0:
        return WENT_ON if case.did(plain, ran) else "went on otherwise"
    last = ran.said.strip().splitlines()[-1]
    named = last.startswith("error: ") and ran.read[at] in last and os.strerror(number) in last
    return STOPPED_WELL if named or not case.ours else "stopped otherwise"


def campaign(case: Case, finished: Path, readings: int, choose: random.Random) -> Counter:
    """How many failing *readings* of a command had which outcome; the state is as in *finished* before each."""
    project = finished.with_name("copy")

    def renew() -> None:
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(finished, project)
        with chdir(project):
            case.before()

    renew()
    before, plain = state(project, case.moving), call(project, case)
    assert plain.status == 0, plain.said
    found = Counter(readings=len(plain.read))
    changed = True
    for at in sorted(choose.sample(range(len(plain.read)), min(readings or len(plain.read), len(plain.read)))):
        for number in ERRORS:
            if changed or case.moving:
                renew()
            ran = call(project, case, at, number)
            changed = ran.left != before
            found[result := outcome(case, before, plain, ran, at, number)] += 1
            if result not in OUTCOMES[:2]:
                print(
                    f"{case.name}: {at}, {ran.read[at]}, {os.strerror(number)}: {result}\n{ran.said[-2000:]}",
                    flush=True,
                )
    print(f"{case.name}: {dict(found)}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=20, help="of each command that fail (default 20); 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the choice (default 0)")
    arguments = parser.parse_args()
    choose = random.Random(arguments.seed)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        project = prepare(Path(name).resolve() / "project", OVERLAY)
        print(f"The run takes {uninterrupted(project):.0f} s.\n", flush=True)
        stopped = call(project, Case("", stop_training))
        assert stopped.status == 0, stopped.said
        found = {case.name: campaign(case, project, arguments.readings, choose) for case in CASES}
    rows = [(name, *(counts[column] for column in ("readings", *OUTCOMES))) for name, counts in found.items()]
    total = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    print(tabulate([*rows, ("all", *total)], ("command", "readings", *OUTCOMES), tablefmt="pipe"))
    sys.exit(any(total[3:]))


if __name__ == "__main__":
    main()
