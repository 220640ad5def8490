"""What runs again after a change (docs/reruns.md is made from these cases), and the command that finds lost results."""

import fcntl
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from freedarts.nasbench201 import DOWNLOAD
from freedarts.repair import Job, faults
from tests.conftest import ROOT, TINY_TASK
from tests.test_workflow import command, copy_project, planned, snakemake, table

pytestmark = pytest.mark.workflow

OVERLAY = "changes.yaml"
BASE = {
    "search": [{"supernets": ["nasbench201"], "scores": ["synflow", "snip-digits-b8"], "seeds": 1}],
    "correlation": [],
    "costs": [],
    "retrain": [{"task": "tiny", "supernet": "nasbench201", "source": "synflow", "seeds": [0], "runs": 1}],
}
TABLES = "results/tables.md"
SEARCH = "results/search/nasbench201/{}/seed{}/scores.json"
GENOTYPE = "results/genotypes/nasbench201/{}/seed{}.json"
TRAINING = "results/retrain/tiny/nasbench201/synflow/seed0/run0/metrics.json"
SYNFLOW = {SEARCH.format("synflow", 0), GENOTYPE.format("synflow", 0), TRAINING, TABLES}


def append(project: Path, name: str, line: str) -> None:
    with (project / name).open("a") as file:
        file.write(f"\n{line}\n")


def change(project: Path, **changes) -> None:
    (project / OVERLAY).write_text(yaml.safe_dump(changes))


def nothing(project: Path) -> None:
    pass


def add_comments(project: Path) -> None:
    for name in ("freedarts/scores/synflow.py", "freedarts/training.py", "scripts/retrain.py", "config/config.yaml"):
        append(project, name, "# why")


def touch(project: Path) -> None:
    for path in (*project.glob("scripts/*"), *project.glob("config/*"), *project.rglob("resources/**/*.yaml")):
        path.touch()


def reorder(project: Path) -> None:
    path = project / "config" / "config.yaml"
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(dict(reversed(content.items())), sort_keys=False))


def forget_records(project: Path) -> None:
    """A clone with results copied in, after the documented command."""
    shutil.rmtree(project / ".snakemake")
    shutil.rmtree(project / "logs")
    for path in project.rglob("*.py"):
        path.touch()
    snakemake(project, "--configfile", OVERLAY, "--touch")


DOCUMENT = """\
# What runs again

Made by `python -m tests.test_reruns` from the cases of tests/test_reruns.py, which compare them with what Snakemake
plans, on one finished selection: the scores `synflow` and `snip-digits-b8` on `nasbench201` with seed 0, one training
of the former's genotype.

| change | runs again |
|---|---|
{rows}

A training whose genotype came out the same has a finished checkpoint: it writes its results again without an epoch.

Deleted and damaged results, which Snakemake does not notice: `python -m freedarts.repair && snakemake` removes them
with all that was made from them, and makes them again (`--dry-run` only lists them). Keep `checkpoints/`, so that no
training starts from nothing.
"""
CASES = {
    "nothing": (nothing, set()),
    "comments in code and configuration": (add_comments, set()),
    "touched scripts, configuration, resources": (touch, set()),
    "keys of the configuration in another order": (reorder, set()),
    "a clone with results copied in, after `snakemake --touch`": (forget_records, set()),
    "one more seed": (
        lambda p: change(p, search=[{**BASE["search"][0], "seeds": 2}]),
        {
            *(SEARCH.format(score, 1) for score in ("synflow", "snip-digits-b8")),
            *(GENOTYPE.format(score, 1) for score in ("synflow", "snip-digits-b8")),
            TABLES,
        },
    ),
    "one training more of a genotype": (
        lambda p: change(p, retrain=[{**BASE["retrain"][0], "runs": 2}]),
        {TRAINING.replace("run0", "run1"), TABLES},
    ),
    "a setting of the score `snip-digits-b8`": (
        lambda p: change(p, scores={"snip-digits-b8": {"settings": {"gate_scale": 0.002}}}),
        {SEARCH.format("snip-digits-b8", 0), GENOTYPE.format("snip-digits-b8", 0), TABLES},
    ),
    "the learning rate of a task": (
        lambda p: change(p, tasks={"tiny": {"protocol": {"learning_rate": 0.04}}}),
        {TRAINING, TABLES},
    ),
    "code of the score SynFlow": (lambda p: append(p, "freedarts/scores/synflow.py", "EDITED = 1"), SYNFLOW),
    "code of the training": (lambda p: append(p, "freedarts/training.py", "EDITED = 1"), {TRAINING, TABLES}),
    "code of the tables": (lambda p: append(p, "freedarts/tables/__init__.py", "EDITED = 1"), {TABLES}),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    project = copy_project(tmp_path_factory.mktemp("reruns") / "project")
    path = project / "config" / "config.yaml"
    config = yaml.safe_load(path.read_text()) | BASE | {"sources": {}, "tasks": {"tiny": TINY_TASK}}
    del config["readings"]["random"]
    path.write_text(yaml.safe_dump(config))
    change(project)
    snakemake(project, TABLES)
    return project


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "project"))


@pytest.mark.parametrize("case", CASES)
def test_change_reruns_exactly(copy, case):
    alter, expected = CASES[case]
    alter(copy)
    assert planned(copy, "--configfile", OVERLAY, "--cores", "3", TABLES) == expected


def test_training_of_an_unchanged_genotype_is_written_again_without_an_epoch(copy):
    run = (copy / TRAINING).parent
    checkpoints = {path: path.stat().st_mtime_ns for path in (copy / "checkpoints").rglob("*.pt")}
    assert checkpoints
    written = {name: (run / name).read_bytes() for name in ("weights.safetensors", "history.csv")}
    searched = (copy / SEARCH.format("synflow", 0)).stat().st_mtime_ns
    append(copy, "freedarts/scores/synflow.py", "EDITED = 1")
    assert "4 of 4 steps" in snakemake(copy, TABLES, "--configfile", OVERLAY)
    assert (copy / SEARCH.format("synflow", 0)).stat().st_mtime_ns > searched
    assert {name: (run / name).read_bytes() for name in written} == written
    # Each epoch would write a checkpoint.
    assert {path: path.stat().st_mtime_ns for path in (copy / "checkpoints").rglob("*.pt")} == checkpoints


def document() -> str:
    """docs/reruns.md."""
    rows = (f"| {case} | {'<br>'.join(sorted(jobs)) or '**nothing**'} |" for case, (_, jobs) in CASES.items())
    return DOCUMENT.format(rows="\n".join(rows))


def test_document_shows_these_cases():
    assert (ROOT / "docs" / "reruns.md").read_text() == document()


def repair(project: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "freedarts.repair", *arguments], cwd=project, text=True, capture_output=True, check=True
    )
    return done.stdout.splitlines()


def test_whole_results_are_left_alone(finished):
    assert repair(finished) == ["all results are whole"]


def test_lost_and_damaged_results_are_made_again(copy):
    before = table(copy)
    weights = (copy / TRAINING).with_name("weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    assert planned(copy, TABLES) == set()  # Snakemake alone sees nothing
    (copy / SEARCH.format("snip-digits-b8", 0)).unlink()
    forged = copy / GENOTYPE.format("synflow", 0)
    other = {"arch": "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"}
    forged.write_text(json.dumps(json.loads(forged.read_text()) | other))
    said = repair(copy, "--dry-run")
    assert f"{SEARCH.format('snip-digits-b8', 0)}: deleted" in said
    assert f"{GENOTYPE.format('synflow', 0)}: changed since it was made" in said
    assert any(re.match(r".*weights.safetensors: (?!would)", line) for line in said)
    assert forged.exists()
    checkpoints = {path: path.stat().st_mtime_ns for path in copy.glob("checkpoints/*/step*.pt")}
    assert repair(copy)[-1].startswith("3 faults")
    assert not any((copy / name).exists() for name in (TRAINING, TABLES, GENOTYPE.format("snip-digits-b8", 0)))
    snakemake(copy, TABLES)
    assert table(copy) == before
    assert {path: path.stat().st_mtime_ns for path in copy.glob("checkpoints/*/step*.pt")} == checkpoints
    assert repair(copy) == ["all results are whole"]


def module(project: Path, name: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", f"freedarts.{name}", *arguments], cwd=project, text=True, capture_output=True
    )
    return done.returncode, done.stdout + done.stderr


def test_packed_results_run_nothing_elsewhere(copy, tmp_path):
    assert module(copy, "pack", str(tmp_path / "results.zip"))[0] == 0
    clone = copy_project(tmp_path / "clone")
    shutil.copy2(copy / "config" / "config.yaml", clone / "config")
    change(clone)
    assert module(clone, "pack", "--unpack", str(tmp_path / "results.zip"))[0] == 0
    snakemake(clone, "--touch", TABLES)
    assert planned(clone, TABLES) == set()
    assert module(clone, "verify")[0] == 0


def test_what_verify_finds_repair_mends(copy):
    assert module(copy, "verify")[0] == 0
    history = (copy / TRAINING).with_name("history.csv")
    lines = history.read_text().splitlines()
    history.write_text("\n".join(lines[:-1]) + "\n")
    status, said = module(copy, "verify")
    assert status == 1
    assert f"{history.relative_to(copy)}: changed since the tables were made" in said
    assert any(line.startswith(f"{TRAINING}: error_last is") for line in said.splitlines())
    assert planned(copy, TABLES) == set()  # Snakemake alone sees nothing
    assert repair(copy)[-1].startswith("1 faults")
    snakemake(copy, TABLES)
    assert module(copy, "verify")[0] == 0
    assert history.read_text().splitlines() == lines


def held(lock: Path) -> bool:
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_until(ready, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_training_of_a_killed_driver_saves_and_ends(copy):
    change(copy, tasks={"tiny": {"protocol": {"epochs": 1000}}})
    known = set(copy.glob("checkpoints/*"))
    driver = subprocess.Popen(command(TABLES, "--configfile", OVERLAY), cwd=copy, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: [path for path in copy.glob("checkpoints/*/step*.pt") if path.parent not in known])
    finally:
        driver.kill()
    driver.wait()
    (folder,) = set(copy.glob("checkpoints/*")) - known
    wait_until(lambda: not held(folder / "lock"), 20)
    steps = max(int(path.stem.removeprefix("step")) for path in folder.glob("step*.pt"))
    assert steps % 45  # 1,437 images in batches of 32: not at the end of an epoch


def test_converted_download_may_be_deleted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("architectures.parquet").touch()
    download = Job(1.0, [], {}, [DOWNLOAD])
    convert = Job(2.0, [DOWNLOAD], {}, ["architectures.parquet"])
    assert not list(faults([download, convert]))
    other = Job(2.0, ["source"], {}, ["architectures.parquet"])
    assert [line for _, line in faults([Job(1.0, [], {}, ["source"]), other])] == ["source: deleted"]


if __name__ == "__main__":
    (ROOT / "docs" / "reruns.md").write_text(document())
