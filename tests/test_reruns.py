"""What runs again after a change (docs/results.md has these cases), and the command that finds lost results."""

import base64
import fcntl
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from freedarts.files import read_json
from freedarts.jobs.driver import HOST, SIGNS, at_work
from freedarts.nasbench201 import DOWNLOAD
from freedarts.results.records import Job
from freedarts.results.repair import faults, lost
from tests.support import ROOT, TINY_TASK, command, copy_project, freedarts, planned, snakemake, table, write

pytestmark = pytest.mark.workflow

OVERLAY = "changes.yaml"
BASE = {
    "search": [{"supernets": ["nasbench201"], "scores": ["synflow", "snip-digits-b8"], "seeds": 1}],
    "correlation": [],
    "costs": [],
    "retrain": [{"task": "tiny", "supernet": "nasbench201", "source": "synflow", "seeds": [0], "runs": 1}],
}
TABLES = "results/tables.md"
MANIFEST = "results/manifest.json"
SEARCH = "results/search/nasbench201/{}/seed{}/scores.json"
GENOTYPE = "results/genotypes/nasbench201/{}/seed{}.json"
TRAINING = "results/retrain/tiny/nasbench201/synflow/seed0/run0/metrics.json"
LOOKUP = "results/nasbench201/nasbench201/{}.json"
RANKING = "results/nasbench201/rankings/nasbench201/{}.json"


def searched(score: str, seed: int = 0) -> set[str]:
    """A search, and what follows from it without a training."""
    by_seed = {SEARCH.format(score, seed), GENOTYPE.format(score, seed)}
    return {*by_seed, LOOKUP.format(score), RANKING.format(score), TABLES}


SYNFLOW, SNIP = searched("synflow") | {TRAINING}, searched("snip-digits-b8")


def append(project: Path, name: str, line: str) -> None:
    with (project / name).open("a") as file:
        file.write(f"\n{line}\n")


def change(project: Path, **changes) -> None:
    (project / OVERLAY).write_text(yaml.safe_dump(changes))


def nothing(project: Path) -> None:
    pass


def add_comments(project: Path) -> None:
    for name in (
        "freedarts/scores/synflow.py",
        "freedarts/training/__init__.py",
        "scripts/retrain.py",
        "config/config.yaml",
    ):
        append(project, name, "# why")


def touch(project: Path) -> None:
    for path in (*project.glob("scripts/*"), *project.glob("config/*"), *project.rglob("resources/**/*.yaml")):
        path.touch()


def reorder(project: Path) -> None:
    path = project / "config" / "config.yaml"
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(dict(reversed(content.items())), sort_keys=False))


def limit_cores(project: Path) -> None:
    path = project / "profiles" / "default" / "config.yaml"
    path.write_text(path.read_text().replace("cores: all", "cores: 1"))


def forget_records(project: Path) -> None:
    """A clone with results copied in."""
    shutil.rmtree(project / ".snakemake")
    shutil.rmtree(project / "logs")
    for path in project.rglob("*.py"):
        path.touch()


def record(project: Path) -> None:
    """In a clone, the documented command."""
    forget_records(project)
    snakemake(project, "--configfile", OVERLAY, "--touch", "--forceall")


def cut(project: Path, name: str) -> None:
    path = project / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(project: Path, name: str) -> None:
    path = project / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def forge(project: Path, name: str, **values) -> None:
    """Without a digest, as by hand."""
    path = project / name
    path.write_text(json.dumps(read_json(path) | values))


def cut_record(project: Path, name: str) -> None:
    """As a driver leaves it that is killed, or has no space left, while it writes."""
    cut(project, f".snakemake/metadata/{base64.b64encode(name.encode()).decode()}")


def edit_table(project: Path) -> None:
    append(project, TABLES, "forged")


DOCUMENT = """\
## What runs again

Made by `python -m tests.test_reruns` from the cases of tests/test_reruns.py, which compare them with what Snakemake
plans, on one finished selection: the scores `synflow` and `snip-digits-b8` on `nasbench201` with seed 0, one training
of the former's genotype.

| change | runs again |
|---|---|
{rows}

A training whose genotype came out the same has a finished checkpoint: it writes its results again without an epoch.

### Deleted and damaged results

Snakemake alone misses a result that was deleted behind finished tables, or removed by a job that failed, and makes what
follows from a damaged one. `freedarts repair && snakemake`, with the `--configfile` and the profile of the
run, removes what is damaged with all that was made from it, and makes it again (`--dry-run` only lists it). While a
Snakemake is at work in the folder, `repair` refuses to begin.

| what happened | made again |
|---|---|
{damages}

Keep `checkpoints/`, so that no training starts from nothing. Measurements of time and memory are not made again: a
training that only writes its results again would measure something else.

What lies in `data/` may be deleted: what was made from it stays. Have it back in a call of its own, for example
`snakemake data/cifar10.json`, before more is made from it; a call that does both makes all again.
"""
CASES = {
    "nothing": (nothing, set()),
    "comments in code and configuration": (add_comments, set()),
    "touched scripts, configuration, resources": (touch, set()),
    "keys of the configuration in another order": (reorder, set()),
    "another number of cores": (limit_cores, set()),
    "a clone with results copied in, after `snakemake --touch --forceall`": (record, set()),
    "one more seed": (
        lambda p: change(p, search=[{**BASE["search"][0], "seeds": 2}]),
        searched("synflow", 1) | searched("snip-digits-b8", 1),
    ),
    "one training more of a genotype": (
        lambda p: change(p, retrain=[{**BASE["retrain"][0], "runs": 2}]),
        {TRAINING.replace("run0", "run1"), TABLES},
    ),
    "a setting of the score `snip-digits-b8`": (
        lambda p: change(p, scores={"snip-digits-b8": {"settings": {"gate_scale": 0.002}}}),
        SNIP,
    ),
    "the learning rate of a task": (
        lambda p: change(p, tasks={"tiny": {"protocol": {"learning_rate": 0.04}}}),
        {TRAINING, TABLES},
    ),
    "code of the score SynFlow": (lambda p: append(p, "freedarts/scores/synflow.py", "EDITED = 1"), SYNFLOW),
    "code of the training": (lambda p: append(p, "freedarts/training/__init__.py", "EDITED = 1"), {TRAINING, TABLES}),
    "code of the tables": (lambda p: append(p, "freedarts/tables/__init__.py", "EDITED = 1"), {TABLES}),
}
HISTORY = TRAINING.replace("metrics.json", "history.csv")
# How a result is lost, and what is made again.
DAMAGES = {
    "the scores of a search deleted": (lambda p: (p / SEARCH.format("snip-digits-b8", 0)).unlink(), SNIP),
    "the scores of a search cut short": (lambda p: cut(p, SEARCH.format("synflow", 0)), SYNFLOW),
    "another genotype written by hand": (
        lambda p: forge(p, GENOTYPE.format("synflow", 0), arch="|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"),
        {GENOTYPE.format("synflow", 0), LOOKUP.format("synflow"), TRAINING, TABLES},
    ),
    "weights of a training cut short": (
        lambda p: cut(p, TRAINING.replace("metrics.json", "weights.safetensors")),
        {TRAINING, TABLES},
    ),
    "one bit of the weights of a training flipped": (
        lambda p: flip(p, TRAINING.replace("metrics.json", "weights.safetensors")),
        {TRAINING, TABLES},
    ),
    "the history of a training edited": (lambda p: append(p, HISTORY, "2,1.0,1.0"), {TRAINING, TABLES}),
    "the folder of a training deleted": (lambda p: shutil.rmtree((p / TRAINING).parent), {TRAINING, TABLES}),
    "tables edited": (edit_table, {TABLES}),
    "the manifest of something else": (lambda p: (p / MANIFEST).write_text('{"a": 1}'), {TABLES}),
    "settings in the manifest edited": (lambda p: forge(p, MANIFEST, settings={}), {TABLES}),
    "measurements in `results/benchmarks/` deleted": (lambda p: shutil.rmtree(p / "results/benchmarks"), {TABLES}),
    "a record in `.snakemake/` cut short": (lambda p: cut_record(p, SEARCH.format("synflow", 0)), SYNFLOW),
    "`logs/` and `checkpoints/` deleted": (
        lambda p: [shutil.rmtree(p / name) for name in ("logs", "checkpoints")],
        set(),
    ),
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
    assert planned(copy, TABLES, "--configfile", OVERLAY) == expected


@pytest.fixture(scope="module")
def recorded(finished, tmp_path_factory) -> Path:
    project = Path(shutil.copytree(finished, tmp_path_factory.mktemp("clone") / "project"))
    record(project)
    return project


@pytest.fixture
def clone(recorded, tmp_path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "project"))


@pytest.mark.parametrize("case", ["a setting of the score `snip-digits-b8`", "code of the score SynFlow"])
def test_change_in_a_clone_reruns_the_same(clone, case):
    alter, expected = CASES[case]
    alter(clone)
    assert planned(clone, TABLES, "--configfile", OVERLAY) == expected


def test_another_selection_on_copied_results_without_records_is_noticed(copy):
    """Snakemake alone would have nothing to do."""
    forget_records(copy)
    said = snakemake(copy, "-n", TABLES, "--configfile", OVERLAY)
    assert "more: Snakemake has no record of such results: other settings do not make them again; results that" in said
    assert "Nothing to be done" in said
    CASES["one more seed"][0](copy)
    said = snakemake(copy, "-n", TABLES, "--configfile", OVERLAY, check=False)
    missing = SEARCH.format("synflow", 1)
    assert f"{TABLES}: Snakemake has no record of it and would let it stand, but {missing} is not there; " in said
    assert "`snakemake --touch --forceall`, with the --configfile of theirs" in said


@pytest.mark.parametrize(
    ("left_out", "named"),
    [
        ([], f"{GENOTYPE} and 5 more"),
        ([SEARCH], f"{GENOTYPE} and 4 more"),
        ([GENOTYPE, SEARCH], f"{HISTORY} and 3 more"),
        ([HISTORY], f"{GENOTYPE} and 4 more"),  # metrics alone
    ],
)
def test_single_results_that_were_copied_without_records_are_noticed(copy, left_out, named):
    forget_records(copy)
    for name in left_out:
        (copy / name.format("synflow", 0)).unlink()
    said = snakemake(copy, TRAINING, "--configfile", OVERLAY)
    assert "Nothing to be done" in said
    but = f", and {left_out[0].format('synflow', 0)}, which belongs to them, is not there" if left_out else ""
    why = f"Snakemake has no record of such results: other settings do not make them again{but}; results that were"
    assert f"{named.format('synflow', 0)}: {why} copied here are recorded by `snakemake --touch --forceall`" in said


def test_result_that_is_missing_in_a_clone_is_made_there(copy):
    missing = copy / SEARCH.format("snip-digits-b8", 0)
    missing.unlink()
    record(copy)
    assert not missing.exists()  # and is no empty file
    assert repair(copy)[0] == f"{missing.relative_to(copy)}: deleted"
    assert planned(copy, TABLES) == SNIP


def test_damage_in_a_clone_is_found(clone):
    cut(clone, SEARCH.format("synflow", 0))
    assert re.match(f"{SEARCH.format('synflow', 0)}: not valid JSON", repair(clone)[0])
    assert planned(clone, TABLES) == SYNFLOW


def test_results_without_records_are_named_and_checked(copy):
    """A clone after `snakemake --touch` alone, which records what seems out of date."""
    forget_records(copy)
    (copy / ".snakemake" / "metadata").mkdir(parents=True)
    said = repair(copy)
    assert said[0].startswith("17 results have no record")
    assert said[-1] == "all results are whole"
    forge(copy, SEARCH.format("synflow", 0), objective=1.0)
    (copy / HISTORY).unlink()
    (copy / "results/tables.csv").unlink()
    said = repair(copy)
    assert {
        f"{HISTORY}: deleted",
        f"{SEARCH.format('synflow', 0)}: changed since it was made",
        "results/tables.csv: deleted",
    } < set(said)
    assert said[-1].startswith("3 faults")
    assert not any((copy / name).exists() for name in (TRAINING, TABLES, MANIFEST))
    assert planned(copy, TABLES) == SYNFLOW


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_reruns_exactly(copy, case):
    damage, expected = DAMAGES[case]
    damage(copy)
    repair(copy)
    assert not any((copy / name).exists() for name in expected)
    assert planned(copy, TABLES) == expected


@pytest.mark.parametrize("case", [case for case, (_, expected) in DAMAGES.items() if expected == {TABLES}])
def test_verify_and_repair_agree_on_the_tables(copy, case):
    DAMAGES[case][0](copy)
    assert freedarts(copy, "verify")[0] == 1
    assert repair(copy)[-1] != "all results are whole"
    snakemake(copy, TABLES)
    assert freedarts(copy, "verify")[0] == 0
    assert repair(copy) == ["all results are whole"]


def test_training_of_an_unchanged_genotype_is_written_again_without_an_epoch(copy):
    run = (copy / TRAINING).parent
    checkpoints = {path: path.stat().st_mtime_ns for path in (copy / "checkpoints").rglob("*.pt")}
    assert checkpoints
    written = {name: (run / name).read_bytes() for name in ("weights.safetensors", "history.csv")}
    searched = (copy / SEARCH.format("synflow", 0)).stat().st_mtime_ns
    append(copy, "freedarts/scores/synflow.py", "EDITED = 1")
    assert "; 6 of 6 done" in snakemake(copy, TABLES, "--configfile", OVERLAY)
    assert (copy / SEARCH.format("synflow", 0)).stat().st_mtime_ns > searched
    assert {name: (run / name).read_bytes() for name in written} == written
    # Each epoch would write a checkpoint.
    assert {path: path.stat().st_mtime_ns for path in (copy / "checkpoints").rglob("*.pt")} == checkpoints


PAGE = ROOT / "docs" / "results.md"
MARKERS = re.compile(r"(<!-- reruns[^\n]*-->\n\n)(.*?)(\n<!-- reruns end -->)", re.DOTALL)


def document() -> str:
    """The part of docs/results.md between its markers."""
    rows, damages = (
        "\n".join(f"| {case} | {'<br>'.join(sorted(jobs)) or '**nothing**'} |" for case, (_, jobs) in cases.items())
        for cases in (CASES, DAMAGES)
    )
    return DOCUMENT.format(rows=rows, damages=damages)


def test_document_shows_these_cases():
    assert MARKERS.search(PAGE.read_text())[2] == document()


def repair(project: Path, *arguments: str) -> list[str]:
    status, said = freedarts(project, "repair", *arguments)
    assert status == 0, said
    return said.splitlines()


def test_whole_results_are_left_alone(finished):
    assert repair(finished) == ["all results are whole"]


def test_lost_and_damaged_results_are_made_again(copy):
    before = table(copy)
    weights = (copy / TRAINING).with_name("weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    assert planned(copy, TABLES) == set()  # Snakemake alone sees nothing
    (copy / SEARCH.format("snip-digits-b8", 0)).unlink()
    forged = copy / GENOTYPE.format("synflow", 0)
    forge(copy, GENOTYPE.format("synflow", 0), arch="|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
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


def test_changed_result_is_not_passed_on(copy):
    before = table(copy)
    scores = copy / SEARCH.format("synflow", 0)
    for name in (TABLES, MANIFEST, GENOTYPE.format("synflow", 0)):  # of what read it nothing is left
        (copy / name).unlink()
    scores.write_text(json.dumps(json.loads(scores.read_text()) | {"objective": 1.0}))
    assert f"{SEARCH.format('synflow', 0)}: changed since it was made" in snakemake(copy, TABLES, check=False)
    repair(copy)
    assert not scores.exists()
    snakemake(copy, TABLES)
    assert table(copy) == before


def test_weights_that_changed_before_the_tables_are_found(copy):
    for name in (TABLES, MANIFEST):
        (copy / name).unlink()
    weights = TRAINING.replace("metrics.json", "weights.safetensors")
    flip(copy, weights)
    said = snakemake(copy, TABLES, check=False)
    assert f"{weights}: changed since it was made" in said
    assert repair(copy)[0] == f"{weights}: changed since it was made"
    snakemake(copy, TABLES)
    assert repair(copy) == ["all results are whole"]


def test_packed_results_run_nothing_elsewhere(copy, tmp_path):
    assert freedarts(copy, "pack", str(tmp_path / "results.zip"))[0] == 0
    clone = copy_project(tmp_path / "clone")
    shutil.copy2(copy / "config" / "config.yaml", clone / "config")
    change(clone)
    assert freedarts(clone, "pack", "--unpack", str(tmp_path / "results.zip"))[0] == 0
    snakemake(clone, "--touch", "--forceall", TABLES)
    assert planned(clone, TABLES) == set()
    assert freedarts(clone, "verify")[0] == 0


def test_what_verify_finds_repair_mends(copy):
    assert freedarts(copy, "verify")[0] == 0
    history = (copy / TRAINING).with_name("history.csv")
    lines = history.read_text().splitlines()
    history.write_text("\n".join(lines[:-1]) + "\n")
    status, said = freedarts(copy, "verify")
    assert status == 1
    assert f"{history.relative_to(copy)}: changed since the tables were made" in said
    assert f"{history.relative_to(copy)}: changed since it was made" in said  # by the metrics beside it
    assert planned(copy, TABLES) == set()  # Snakemake alone sees nothing
    assert repair(copy)[-1].startswith("1 faults")
    snakemake(copy, TABLES)
    assert freedarts(copy, "verify")[0] == 0
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


def test_training_of_a_failed_run_is_made_again(copy):
    append(copy, "scripts/retrain.py", "raise SystemExit('no space left')")
    snakemake(copy, TABLES, check=False)
    assert planned(copy, TABLES) == set()  # Snakemake alone sees nothing
    assert repair(copy)[0] == f"{TRAINING}: deleted"
    assert planned(copy, TABLES) == {TRAINING, TABLES}


def test_repair_waits_for_the_driver(copy):
    (copy / TABLES).unlink()
    sign = copy / ".snakemake" / SIGNS / f"{HOST}.1"
    with sign.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert at_work(copy / ".snakemake")
        assert freedarts(copy, "repair")[1].startswith("error: .snakemake: snakemake is at work here")
        assert (copy / MANIFEST).exists()
        assert f"{TABLES}: deleted" in repair(copy, "--dry-run")
    sign = sign.rename(sign.with_name("login2.34"))
    assert (
        f"process 34, is at work here or was killed; if it is dead: rm {sign.relative_to(copy)}"
        in freedarts(copy, "repair")[1]
    )
    sign.unlink()
    assert not at_work(copy / ".snakemake")
    assert repair(copy)[0] == f"{TABLES}: deleted"


def test_training_whose_download_was_deleted_stays(copy):
    change(copy, tasks={"small": {**TINY_TASK, "dataset": "cifar10"}})
    trained = TRAINING.replace("tiny", "small")
    more = trained.replace("run0", "run1")
    shutil.copytree((copy / TRAINING).parent, (copy / trained).parent)
    data = write(copy / "data" / "cifar10.json", {})
    snakemake(copy, trained, "--configfile", OVERLAY, "--touch", "--forceall")
    data.unlink()
    assert repair(copy) == ["all results are whole"]
    assert planned(copy, trained, "--configfile", OVERLAY) == set()
    assert trained in planned(copy, trained, more, "--configfile", OVERLAY)
    write(data, {})  # as a call of its own does
    assert planned(copy, trained, more, "--configfile", OVERLAY) == {more}


def test_data_may_be_deleted(tmp_path, monkeypatch):
    """What was made from them stays, for a download can always be had again."""
    monkeypatch.chdir(tmp_path)
    made = [DOWNLOAD, "data/cifar10.json"]
    jobs = [Job(1.0, [], {}, [name]) for name in made]
    jobs += [Job(2.0, made, {}, ["result"]), Job(1.0, [], {}, ["data/a", "data/b"])]
    for name in ("result", "data/a"):
        write(Path(name), {})
    assert not list(faults(jobs))
    Path("data/cifar10.json").write_text("{")
    ((job, line),) = faults(jobs)
    assert line.startswith("data/cifar10.json: not valid JSON")
    assert lost([job], jobs) == ["data/cifar10.json"]
    other = Job(2.0, ["source"], {}, ["result"])
    assert [line for _, line in faults([Job(1.0, [], {}, ["source"]), other])] == ["source: deleted"]


@pytest.mark.parametrize("stated", [None, ["0"], {"history.csv": None}, {"../other": "0"}])
def test_metrics_written_by_hand_are_no_fault(tmp_path, monkeypatch, stated):
    monkeypatch.chdir(tmp_path)
    write(Path(TRAINING), {"error_last": 1.0, "sha256": stated})
    write(Path(HISTORY), "epoch,test_error\n")
    assert not list(faults([Job(1.0, [], {}, [TRAINING, HISTORY])]))


if __name__ == "__main__":
    PAGE.write_text(MARKERS.sub(lambda part: f"{part[1]}{document()}{part[3]}", PAGE.read_text()))
