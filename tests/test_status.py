"""The status: with no, some and all results, a training at work, and broken files."""

import argparse
import json
import os
import time
from pathlib import Path

import pytest

from freedarts.commands import _snakemake
from freedarts.commands import status as status_command
from freedarts.files import InputError
from freedarts.results import status
from freedarts.study import kinds, paper, run_folder
from tests.support import METRICS, NUMBERS, READINGS, ROOT, SEARCH_RESULT, TINY_TASK, snakemake, write

DAGGER, SNIP = NUMBERS["cifar10/freedarts-dagger"], NUMBERS["nasbench201/snip-cifar10-test"]

TASKS = {"cifar10-c38": {"epochs": 600, "gpus": 1}}
NOTHING = {kind.name: [] for kind in kinds.KINDS}
SELECTED = {
    "results": NOTHING,
    "searches": [["nasbench201", "a", [0, 1]]],
    "trainings": [],
    "readings": READINGS,
    "tasks": TASKS,
}
SECONDS = {"cifar10-c38": (180.0, "a log")}  # 30 hours a training
FOLDER = "results/retrain/cifar10-c38/darts-20/published-synflow/seed1/run{}/"
SEARCH = "results/search/nasbench201/a/seed{}/scores.json"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def text(**changes) -> str:
    return status.markdown(SELECTED | changes, [DAGGER], SECONDS, "snakemake ", time.time())


def finished(*errors: float) -> None:
    for run, error in enumerate(errors):
        write(Path(FOLDER.format(run), "metrics.json"), METRICS | {"error_last": error, "error_best": 2.45})


def test_status_of_no_results_has_commands_and_hours():
    found = text()
    assert "- published: no result, **not run**; 3 missing; 90 GPU-hours to go\n" in found
    assert "- searched: no result; 5 missing; 150 GPU-hours to go\n" in found
    assert "`snakemake results/numbers/cifar10/freedarts-dagger.json`" in found
    assert f"- a on nasbench201: 0 of 2 finished\n  - `snakemake {SEARCH.format(0)}` and 1 more\n" in found


def test_status_of_some_results_shows_who_is_at_work():
    finished(2.5)
    epochs = [{"test_error": 3.1, "seconds": 180.0}] * 312
    for run in (1, 2):
        run_folder.write_progress(Path(FOLDER.format(run)), epochs, 600)
    old = time.time() - 7200
    os.utime(Path(FOLDER.format(2), run_folder.PROGRESS), (old, old))
    found = text()
    assert "- published: 2.50 %, **partial (1 of 3 runs)**; 1 finished, 1 running, 1 stopped; 28.8 GPU-hours" in found
    place = "cifar10-c38, published-synflow on darts-20, seed 1"
    assert f"  - running: {place}, run 1: epoch 312 of 600, error 3.10 %, 0 s ago\n" in found
    assert f"  - stopped: {place}, run 2: epoch 312 of 600, error 3.10 %, 2 h ago\n" in found


def test_status_of_all_results_needs_nothing_and_shows_the_last_epoch_not_the_best():
    finished(2.9, 2.9, 2.9)
    for seed in (0, 1):
        write(Path(SEARCH.format(seed)), SEARCH_RESULT)
    readings = {"published": READINGS["published"], "searched": READINGS["searched"] | {"seeds": 0}}
    found = text(readings=readings)
    assert "- published: 2.90 ± 0.00 %, **not reproduced**; 3 finished\n" in found
    assert "- a on nasbench201: 2 of 2 finished\n" in found
    assert "`snakemake" not in found
    assert "2.45" in found.partition("- published")[0]  # the paper's alone
    assert "2.45" not in found.partition("- published")[2]


def test_reading_whose_trainings_are_gone_is_out_of_date():
    finished(2.5, 2.4, 2.5)
    cases = [("cifar10-c38", "darts-20", "published-synflow", 1, run) for run in range(3)]
    results = {case: json.loads(Path(FOLDER.format(case[-1]), "metrics.json").read_text()) for case in cases}
    file = Path(kinds.READING.file((DAGGER["id"], "published")))
    write(file, paper.reading(DAGGER, results, cases))
    assert "**reproduced**; 3 finished" in text()
    Path(FOLDER.format(2), "metrics.json").unlink()
    assert f"**partial (2 of 3 runs)**; {file} is out of date; 2 finished, 1 missing" in text()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "not valid JSON"),
        ({"error_last": 2.5}, "no key 'error_best'"),
        (METRICS | {"error_last": "2.5"}, "error_last is '2.5', expected percent"),
        (METRICS | {"error_last": -2.5}, "error_last is -2.5, expected percent"),
        (METRICS | {"top5_error_last": None}, "top5_error_last is None, expected percent"),
        (None, "cannot be read (Is a directory)"),
    ],
)
def test_broken_result_spoils_its_line_only(content, why):
    finished(2.5, 2.5, 2.5)
    path = Path(FOLDER.format(1), "metrics.json")
    write(path, content) if content else (path.unlink(), path.mkdir())
    write(Path(SEARCH.format(0)), "[]")
    write(Path(SEARCH.format(1)), SEARCH_RESULT)
    found = text()
    assert "- published: 2.50 ± 0.00 %, **partial (2 of 3 runs)**; 2 finished, 1 broken; 30 GPU-hours to go" in found
    assert f"run 1: {FOLDER.format(1)}metrics.json: {why}" in found
    assert f"- a on nasbench201: 1 of 2 finished\n  - broken: {SEARCH.format(0)}: holds a list" in found


@pytest.mark.parametrize(
    "content",
    ["{", {"epoch": 1}, dict.fromkeys(run_folder.PROGRESS_KEYS, "x"), dict.fromkeys(run_folder.PROGRESS_KEYS)],
)
def test_broken_progress_spoils_its_line_only(content):
    finished(2.5)
    write(Path(FOLDER.format(1), run_folder.PROGRESS), content)
    assert "1 finished, 1 broken, 1 missing; 60 GPU-hours" in text()


def test_command_holds_this_call_s_configuration():
    assert status.command([], []) == "snakemake"
    assert status.command(["a b.yaml"], ["n=[1]"]) == "snakemake --configfile 'a b.yaml' --config 'n=[1]' --"


@pytest.mark.workflow
def test_snakemake_makes_the_status_afresh_and_runs_nothing_else(tmp_path):
    overlay = {
        "tasks": {"tiny": TINY_TASK},
        "search": [],
        "costs": [],
        "sources": {"notebook-snip": {"supernets": ["nasbench201"], "seeds": [4]}},
        "retrain": [{"task": "tiny", "supernet": "nasbench201", "source": "notebook-snip", "runs": 1}],
    }
    write(tmp_path / "overlay.json", overlay)

    def made() -> str:
        target = ("results/status.md", "--snakefile", ROOT / "Snakefile", "--configfile", "overlay.json")
        assert "; 1 of 1 done" in snakemake(tmp_path, *target)
        return Path("results/status.md").read_text()

    training = "results/retrain/tiny/nasbench201/notebook-snip/seed4/run0"
    assert f"`snakemake --configfile overlay.json -- {training}/metrics.json`" in made()
    write(Path(training, "metrics.json"), json.dumps(METRICS))
    assert "tiny, notebook-snip on nasbench201: 1 finished" in made()


def test_status_of_a_number_that_is_looked_up():
    def said() -> str:
        return status.markdown(SELECTED, [SNIP], SECONDS, "snakemake ", time.time()).partition(f"### {SNIP['id']}\n")[2]

    def measured(mean: object) -> dict:
        return {"accuracies": {"v1_0": {"cifar10_test": {"mean": mean}}}}

    command = "`snakemake results/numbers/nasbench201/snip-cifar10-test.json`"
    missing = said()
    assert "- published: no result, **not run**; not looked up\n" in missing
    assert command in missing
    path = Path("results/nasbench201/nasbench201/notebook-snip.json")
    lookup = {"version": "v1_1", "distribution": {}}
    for accuracies, text in (
        ({"v1_0": {"cifar10_test": {"mean": 92.24}}}, "92.24 % (v1_0), **reproduced**"),
        ({"v1_0": {"cifar10_test": {"mean": 92.25}}}, "92.25 % (v1_0), **not reproduced**"),
        ({"v1_1": {"cifar10_test": {"mean": 92.25}}}, "92.25 % (v1_1), **needs the v1_0 file**"),
        ({"v1_0": {"cifar10_test": None}}, "not in this benchmark, **not run**"),
    ):
        write(path, lookup | {"seeds": {"4": {"accuracies": accuracies}}})
        assert f"- published: {text}\n" in said()
        assert command not in said()
    for broken, why in (
        ("{", "not valid JSON"),
        (lookup | {"seeds": 2}, "not as lookup_nasbench201 writes it"),
        (lookup | {"seeds": {"4": {"index": 6818}}}, "not as lookup_nasbench201 writes it"),
        (lookup | {"seeds": {"4": measured("92.2")}}, "an accuracy is '92.2', expected percent"),
        (lookup | {"seeds": {"4": measured(9000.0)}}, "an accuracy is 9000.0, expected percent"),
    ):
        write(path, broken)
        assert f"- published: broken: {path}: {why}" in said() or f"- published: broken: {why}" in said()
        assert command in said()


def test_command_of_a_number_is_the_cheapest_that_is_left():
    assert "numbers/cifar10/freedarts-dagger.json`" in text()
    finished(2.5, 2.4, 2.5)
    found = text()
    assert "numbers/cifar10/freedarts-dagger/searched.json`" in found
    assert "numbers/cifar10/freedarts-dagger.json`" not in found


def test_line_of_an_epoch_says_error_loss_speed_and_when_it_is_done():
    row = {"test_error": 5.321, "train_loss": 0.25, "seconds": 60.0, "train_seconds": 50.0}
    noon = time.mktime((2026, 11, 27, 12, 0, 0, 0, 0, -1))
    line = run_folder.said([row | {"seconds": 180.0}, row], 5, 50000, noon)  # the mean of both is 120 s
    assert line == "epoch 2 of 5: test error 5.32 %, loss 0.2500, 1,000 images/s, done about Fri 12:06"
    assert "done about" not in run_folder.said([row], 1, 50000, noon)


def test_watch_shows_the_status_again_until_it_is_interrupted(monkeypatch, capsys):
    pages, waited = iter(["first\n", "second\n"]), []
    monkeypatch.setattr(_snakemake, "page", lambda name, arguments: next(pages))

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(status_command.time, "sleep", sleep)
    status_command.main(argparse.Namespace(watch=5.0))
    assert (capsys.readouterr().out, waited) == ("first\nsecond\n", [5.0, 5.0])
    with pytest.raises(InputError, match="--watch -1; allowed: seconds above 0"):
        status_command.main(argparse.Namespace(watch=-1))
