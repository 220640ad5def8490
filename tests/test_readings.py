"""The files of readings and numbers: what the tables, verify and the status make of them."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from freedarts.files import read_json, write_json
from freedarts.results import manifest, status, verify
from freedarts.study import kinds
from tests.support import (
    METRICS,
    NUMBERS,
    READINGS,
    ROOT,
    SEARCH_RESULT,
    TABLE_SETTINGS,
    call_tables,
    jobs_of,
    judge,
    looked_up,
    write,
)

DAGGER, SNIP = NUMBERS["cifar10/freedarts-dagger"], NUMBERS["nasbench201/snip-cifar10-test"]

NAME = DAGGER["id"]
TRAININGS = [["cifar10-c38", "darts-20", "published-synflow", 1, run] for run in range(3)]
PUBLISHED = kinds.READING.file((NAME, "published"))
NUMBER = kinds.NUMBER.file((NAME,))
SEARCHED = [["cifar10-c38", "darts-20", "synflow-released", seed, 0] for seed in range(5)]
GENOTYPES = [["darts-20", "synflow-released", [1]], ["darts-20", "published-synflow", [1]]]
RESULTS = {kind.name: [] for kind in kinds.KINDS} | {
    "searches": GENOTYPES[:1],
    "genotypes": GENOTYPES,
    "trainings": [*TRAININGS, *SEARCHED],
    "readings": [[NAME, ["published", "searched"]]],
    "numbers": [[NAME]],
}
SELECTED = TABLE_SETTINGS | {"results": RESULTS, "searches": [], "readings": READINGS}
SELECTED |= {"tasks": {"cifar10-c38": {"trainable": True}}}


@pytest.fixture
def trained(tmp_path, monkeypatch) -> Path:
    """All that the number is made of, but for its own files."""
    monkeypatch.chdir(tmp_path)
    for run, case in enumerate([*TRAININGS, *SEARCHED]):
        path = Path(kinds.TRAINING.file(tuple(case)))
        write(path, METRICS | {"error_last": 2.4 + run / 10})
        write(path.with_name("history.csv"), f"epoch,test_error\n599,{2.4 + run / 10}\n")
    write(Path(kinds.SEARCH.file(("darts-20", "synflow-released", 1))), SEARCH_RESULT)
    stored = json.loads((ROOT / "resources/genotypes/published-synflow/darts-20/seed1.json").read_text())
    for _, source, _ in GENOTYPES:
        write(Path(kinds.GENOTYPE.file(("darts-20", source, 1))), stored)
    return tmp_path


def shown(script, selected: dict) -> list[dict]:
    assert call_tables(script, json.dumps(selected), **{"--output": "results/tables.md"}) == (0, "")
    rows = csv.DictReader(Path("results/tables.csv").read_text().splitlines())
    return [row for row in rows if row["table"] in ("paper", "numbers", "retraining")]


def test_tables_say_the_same_of_files_and_of_results_without_them(script, trained):
    without = SELECTED | {"results": RESULTS | {"readings": [], "numbers": []}}
    before = shown(script, without)
    assert {"2.4 2.5 2.6", "reproduced"} <= {row["value"] for row in before}
    assert judge(script, NAME, "published", "searched", output=NUMBER) == (0, "")
    assert shown(script, SELECTED) == before


def test_tables_take_the_verdict_of_the_file(script, trained):
    assert judge(script, NAME, "published", "searched", output=NUMBER) == (0, "")
    write_json(Path(NUMBER), read_json(Path(NUMBER)) | {"verdict": "as it says"})
    assert "as it says" in {row["value"] for row in shown(script, SELECTED)}


def test_verdict_needs_the_published_trainings_alone(script, trained):
    for case in SEARCHED:
        Path(kinds.TRAINING.file(tuple(case))).unlink()
    assert judge(script, NAME, "published", output=NUMBER) == (0, "")
    assert read_json(Path(PUBLISHED))["verdict"] == read_json(Path(NUMBER))["verdict"] == "reproduced"


@pytest.mark.workflow
def test_target_of_a_reading_plans_its_own_trainings_alone(tmp_path):
    assert jobs_of(tmp_path, PUBLISHED) == {"download": 1, "publish": 1, "retrain": 3, "reading": 1}
    file = kinds.READING.file((SNIP["id"], "searched"))
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", file, "--snakefile", ROOT / "Snakefile"],
        cwd=tmp_path,
        text=True,
        capture_output=True,
    )
    assert f"{SNIP['id']}: no reading 'searched'; there are: published" in done.stdout + done.stderr


def faults() -> list[str]:
    return list(verify.faults(manifest.read(manifest.NAME), set(), ROOT))


@pytest.mark.parametrize(
    ("path", "change"),
    [(PUBLISHED, {"verdict": "not reproduced"}), (PUBLISHED, {"mean": 2.45}), (NUMBER, {"verdict": "partial"})],
)
def test_verify_finds_a_verdict_that_its_results_do_not_give(script, trained, path, change):
    assert judge(script, NAME, "published", "searched", output=NUMBER) == (0, "")
    shown(script, SELECTED)
    assert faults() == []
    write_json(Path(path), read_json(Path(path)) | change)
    shown(script, SELECTED)  # with a manifest of the forged file
    assert any(line.startswith(f"{path}: comes out differently from its ") for line in faults())


def test_status_says_where_the_file_of_a_reading_is_not_what_its_results_give(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    selected = {"results": RESULTS, "searches": [], "trainings": [], "readings": READINGS, "tasks": {}}

    def said(number: dict) -> str:
        return status.markdown(selected, [number], {}, "snakemake", 0)

    reading = {"n": 3, "values": [2.4] * 3, "mean": 2.4, "std": 0.0, "tolerance": 1}
    reading |= {"version": None, "verdict": "as it says"}
    write(Path(PUBLISHED), reading | {"missing": []})
    assert f"- published: no result, **not run**; {PUBLISHED} is out of date; 3 missing" in said(DAGGER)
    assert "- Readings of the paper's numbers: 1 of 2\n" in said(DAGGER)
    assert "- Trainings: 0 of 8\n" in said(DAGGER)
    write(Path(PUBLISHED), reading)
    assert f"- published: broken: {PUBLISHED}: no key 'missing'; 3 missing" in said(DAGGER)

    ((case, lookup),) = looked_up(92.0).items()
    write(Path(kinds.LOOKUP.file(case)), lookup)
    file = Path(kinds.READING.file((SNIP["id"], "published")))
    write(file, reading | {"missing": [], "std": None})
    assert f"- published: 92.00 % (v1_0), **not reproduced**; {file} is out of date\n" in said(SNIP)
