"""What is there and cannot be read is neither missing nor damaged: all that reads it stops with one line and leaves it.

`python -m benchmarks.reading` does the same on results that Snakemake made.
"""

import base64
import errno
import os
from argparse import Namespace
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest

from freedarts import files
from freedarts.commands import pack, repair, verify
from freedarts.results import manifest, status
from freedarts.study import run_folder
from freedarts.study.paths import METRICS, SEARCH
from tests.support import NAMES, TABLE_SETTINGS, FailingReads, call_tables, write

ERRORS = (errno.EACCES, errno.EIO, errno.ESTALE)
SEARCHED, TRAINED = (pattern.format(**NAMES) for pattern in (SEARCH, METRICS))
RECORDS = Path(".snakemake")


def record(name: str, *inputs: str) -> None:
    """As Snakemake does of a job that it finished."""
    content = {"log": [f"logs/{name}"], "input": list(inputs), "input_checksums": {}, "endtime": 1.0}
    write(RECORDS / "metadata" / base64.urlsafe_b64encode(name.encode()).decode(), content)


@pytest.fixture
def made(script, results):
    """Tables by contract, with their manifest and records."""
    write((results / TRAINED).with_name("history.csv"), "epoch,test_error\n0,4\n1,5\n")
    assert call_tables(script, **{"--output": "results/tables.md"}) == (0, "")
    stated = manifest.read(manifest.NAME)
    for name in stated["files"]:
        record(name)
    for name in (*stated["tables"], str(manifest.NAME)):
        record(name, *stated["files"])
    return results


def called(
    command: Callable[[], object], folder: Path, at: int | str | None = None, number: int = 0
) -> tuple[str, list]:
    """What it ends with, and what it read."""
    with FailingReads(folder, at, number) as read:
        try:
            files.run(command)
        except SystemExit as end:
            return str(end.code), read
    return "", read


def state(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


COMMANDS = {
    "verify": lambda: verify.main(Namespace()),
    "repair": lambda: repair.main(Namespace(dry_run=False, records=RECORDS)),
    "pack": lambda: pack.main(Namespace(name=None, unpack=False, file=Path("results.zip"))),
}


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_reading_that_fails_is_named_and_removes_nothing(made, name):
    ended, read = called(COMMANDS[name], made)
    assert ended == ""
    assert SEARCHED in read
    Path("results.zip").unlink(missing_ok=True)
    before = state(made)
    for at, number in zip(range(len(read)), cycle(ERRORS)):
        said, now = called(COMMANDS[name], made, at, number)
        assert said.startswith(f"error: {now[at]}: ")
        assert os.strerror(number) in said
        assert state(made) == before


def test_repair_of_a_damaged_result_removes_nothing_when_another_cannot_be_read(made):
    Path(SEARCHED).write_text("{")
    before = state(made)
    for number in ERRORS:
        said, _ = called(COMMANDS["repair"], made, TRAINED, number)
        assert said == f"error: {TRAINED}: cannot be read ({os.strerror(number)})"
        assert state(made) == before
    assert called(COMMANDS["repair"], made)[0] == ""
    assert not Path(SEARCHED).exists()
    assert Path(TRAINED).exists()


def test_verify_needs_no_record_which_snakemake_lets_few_read(made):
    extra = "results/search/nasbench201/synflow/seed9/scores.json"
    write(Path(extra), {})
    record(extra)
    ended, read = called(COMMANDS["verify"], made)
    assert ended == ""
    assert not [path for path in read if path.startswith(".snakemake/metadata/")]


@pytest.mark.parametrize("number", ERRORS)
def test_tables_of_a_result_that_cannot_be_read_stay_as_they_are(made, script, number):
    before = state(made)
    for path in (SEARCHED, TRAINED):
        with FailingReads(made, path, number):
            said = call_tables(script, **{"--output": "results/tables.md"})
        assert said == (1, f"error: {path}: cannot be read ({os.strerror(number)})")
        assert state(made) == before


def test_stray_file_among_the_records_is_none_of_them(made):
    for name in (".DS_Store", ".nfs000000000123abcd00000001", "x"):
        (RECORDS / "metadata" / name).write_bytes(b"\0")
    assert called(COMMANDS["repair"], made)[0] == ""
    assert Path(TRAINED).exists()


def test_record_of_a_name_beyond_ascii_is_read(made):
    name = SEARCHED.replace("synflow", "größer?")  # has a _ in base64
    write(Path(name), {"seed": 1})
    record(name)
    assert called(COMMANDS["verify"], made)[0] == ""


@pytest.mark.parametrize("number", ERRORS)
def test_status_says_of_each_result_whether_it_can_be_read(made, number):
    selected = {
        **{key: TABLE_SETTINGS[key] for key in ("results", "searches", "readings")},
        "trainings": TABLE_SETTINGS["results"]["trainings"],
        "tasks": {"t": {"epochs": 8, "gpus": 0}},
    }

    def page() -> str:
        return status.markdown(selected, [], {}, "snakemake ", 0.0)

    assert "1 finished" in page()
    for path, line in ((TRAINED, "unreadable: t, synflow on nasbench201, seed 0, run 0: "), (SEARCHED, "unreadable: ")):
        with FailingReads(made, path, number):
            found = page()
        assert f"{line}{path}: cannot be read ({os.strerror(number)})" in found
        assert "broken" not in found
        assert f"`snakemake {path}`" not in found
    if number != errno.EIO:
        assert "Searches: 0 of 1, 1 unreadable" in found


def test_progress_that_cannot_be_read_is_no_missing_training(made):
    Path(TRAINED).unlink()
    run_folder.write_progress(Path(TRAINED).parent, [], 8)
    with FailingReads(made, str(Path(TRAINED).with_name(run_folder.PROGRESS)), errno.EIO):
        found = status.training(("t", "nasbench201", "synflow", 0, 0), 8, 1.0, 0.0)
    assert (found.state, found.hours) == (status.UNREADABLE, None)
