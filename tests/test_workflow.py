"""The real snakemake on copies of the project: dry runs, kills, locks, bad input."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from freedarts.jobs.driver import HOST, SIGNS
from tests.support import ROOT, TINY_TASK, command, copy_project, planned, snakemake, table, write_overlay

pytestmark = pytest.mark.workflow

TINY = {
    "tasks": {"tiny": TINY_TASK},
    "search": [{"supernets": ["nasbench201"], "scores": ["synflow", "synflow-released"], "seeds": 2}],
    "correlation": [],
    "costs": [{"tasks": ["tiny"], "supernets": ["nasbench201"], "sources": ["synflow"]}],
    "retrain": [{"task": "tiny", "supernet": "nasbench201", "source": "synflow-released", "seeds": [0], "runs": 1}],
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> tuple[Path, dict]:
    """A small selection, run from nothing, and its table."""
    project = copy_project(tmp_path_factory.mktemp("tiny") / "project")
    snakemake(project, *write_overlay(project / "tiny.yaml", TINY))
    return project, table(project)


@pytest.mark.parametrize(
    "options",
    [
        ["--dry-run"],
        ["--dry-run", "--touch"],
        ["--summary"],
        ["--dag"],
        ["--rulegraph"],
        ["--list-rules"],
        ["--list-params-changes"],
        ["--list-untracked"],
        ["--lint"],
    ],
    ids=" ".join,
)
def test_what_only_looks_writes_nothing(tmp_path, options):
    """No sign of its own, and it leaves those of the dead and their locks to a run."""
    for name in (f"{SIGNS}/{HOST}.1", f"{SIGNS}/elsewhere.2", "locks/0.input.lock"):
        path = tmp_path / ".snakemake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def state() -> dict[Path, int]:
        found = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        own = tmp_path / ".snakemake"  # Snakemake's
        return {path: time for path, time in found.items() if path.parent not in (own / "iocache", own / "log")}

    before = state()
    snakemake(tmp_path, *options, "--snakefile", ROOT / "Snakefile", "--", "results/costs/digits/darts-8/darts-v1.json")
    assert state() == before


def test_signs_that_cannot_be_read_end_a_run_with_one_message(tmp_path):
    (tmp_path / ".snakemake").mkdir()
    (tmp_path / ".snakemake" / SIGNS).touch()
    target = "results/costs/digits/darts-8/darts-v1.json"
    said = snakemake(tmp_path, "--cores", "1", "--snakefile", ROOT / "Snakefile", "--", target, check=False)
    assert f"\n.snakemake/{SIGNS}: " in said
    assert "freedarts/files.py" not in said  # the calls that it came through


def test_result_that_cannot_be_looked_at_is_not_planned_again(tmp_path):
    overlay = write_overlay(tmp_path / "tiny.yaml", TINY)
    training = tmp_path / "results/retrain/tiny/nasbench201/synflow-released/seed0/run0/metrics.json"
    training.parent.mkdir(parents=True)
    training.symlink_to(training.name)  # leads to itself, which stops root too
    name = str(training.relative_to(tmp_path))
    arguments = ("--snakefile", str(ROOT / "Snakefile"), *overlay, "--")
    why = f"{name}: cannot be read (Too many levels of symbolic links)"
    for target in ("results/tables.md", name):
        assert why in snakemake(tmp_path, "-n", *arguments, target, check=False)
    snakemake(tmp_path, *arguments, "results/status.md")
    line = f"unreadable: tiny, synflow-released on nasbench201, seed 0, run 0: {why}"
    assert line in (tmp_path / "results/status.md").read_text()


def test_killed_driver_loses_nothing(tiny, tmp_path):
    """kill -9 of the driver and its jobs at random moments; no unlocking by hand in between."""
    project = copy_project(tmp_path / "project")
    overlay = write_overlay(project / "tiny.yaml", TINY)
    moments = random.Random(0)
    for _ in range(4):
        driver = subprocess.Popen(
            command(*overlay), cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(moments.uniform(3, 12))
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        for path in project.glob("results/**/*.json"):
            if not path.name.startswith("."):  # a partial file under its own name
                json.loads(path.read_text())
    snakemake(project, *overlay)
    assert table(project) == tiny[1]


def test_lock_of_a_dead_driver_is_removed_and_of_a_living_one_kept(tmp_path):
    project = copy_project(tmp_path / "project")
    overlay = write_overlay(project / "tiny.yaml", TINY)
    driver = subprocess.Popen(command(*overlay), cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    locks = project / ".snakemake" / "locks"
    deadline = time.monotonic() + 60
    while not (locks.exists() and any(locks.iterdir())):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "cannot be locked" in snakemake(project, *overlay, check=False)
    assert any(locks.iterdir())
    driver.kill()
    driver.wait()
    assert any(locks.iterdir())
    snakemake(project, "results/search/nasbench201/synflow/seed0/scores.json", *overlay)


def test_overflow_is_shown_and_never_trained(tmp_path):
    project = copy_project(tmp_path / "project")
    settings = {
        "proxy": "synflow",
        "batch_norm": "train",
        "gates": "ones",
        "positive_gates": True,
        "positive_weights": True,
        "precision": "float32",
    }
    overlay = TINY | {
        "scores": {"overflowing": {"settings": settings}},
        "search": [{"supernets": ["nasbench201"], "scores": ["overflowing"], "seeds": 1}],
        "costs": [],
        "retrain": [],
    }
    arguments = write_overlay(project / "overlay.yaml", overlay)
    snakemake(project, *arguments)
    genotype = json.loads((project / "results/genotypes/nasbench201/overflowing/seed0.json").read_text())
    assert re.fullmatch(r"overflow in cells\.\d+\..*", genotype["refused"])
    assert "1 overflow" in (project / "results/tables.md").read_text()
    target = "results/retrain/tiny/nasbench201/overflowing/seed0/run0/metrics.json"
    assert "there is nothing to train" in snakemake(project, target, *arguments, check=False)
    assert not (project / target).parent.exists() or not any((project / target).parent.iterdir())


def test_result_cut_in_half_is_named(tiny, tmp_path):
    project = Path(shutil.copytree(tiny[0], tmp_path / "project"))
    scores = project / "results/search/nasbench201/synflow/seed1/scores.json"
    before = (project / "results/tables.md").read_text()
    scores.write_text(scores.read_text()[:300])
    output = snakemake(project, "--configfile", "tiny.yaml", "--forcerun", "tables", check=False)
    assert re.search(r"error: results/search/nasbench201/synflow/seed1/scores.json.*cut short", output)
    assert (project / "results/tables.md").read_text() == before


@pytest.mark.parametrize(
    ("overlay", "messages"),
    [
        ({"batchsize": 3}, ["'batchsize' was unexpected", "allowed: supernets, scores"]),
        (
            {"retrain": [{"task": "digits", "supernet": "darts-20", "source": "published-snip", "runs": 1}]},
            ["retrain[0]: source 'published-snip' has no genotypes of 'darts-20'", "darts-8"],
        ),
        (
            {"search": [{"supernets": ["darts-9"], "scores": ["synflow"], "seeds": 5}]},
            ["search[0]: unknown supernet 'darts-9'"],
        ),
    ],
)
def test_bad_configuration_ends_the_planning(tmp_path, overlay, messages):
    project = copy_project(tmp_path / "project")
    output = snakemake(project, *write_overlay(project / "overlay.yaml", overlay), check=False)
    for message in messages:
        assert message in output
    assert not (project / "results").exists()


def test_source_without_the_seed_ends_the_planning(tmp_path):
    project = copy_project(tmp_path / "project")
    assert planned(project, "results/genotypes/darts-8/random/seed9.json") == {
        "results/genotypes/darts-8/random/seed0.json"  # one job draws all ten
    }
    output = snakemake(project, "results/genotypes/darts-8/random/seed10.json", check=False)
    assert "no seed 10 of 'random' on 'darts-8'; there are: [0, 1," in output
    output = snakemake(project, "results/genotypes/darts-8/published-snip/seed9.json", check=False)
    assert "no seed 9 of 'published-snip' on 'darts-8'; there are: [0, 1, 2, 3, 4]" in output
