"""The list of what is still to be done, and its hours."""

import json
import subprocess
import sys

import pytest
import yaml

from freedarts.files import InputError
from freedarts.results import plan
from freedarts.study import run_folder
from tests.support import READINGS, ROOT, TINY_TASK, options, write

HEADER = "output_file\tdate\trule\tlog-file(s)\tstatus\tplan\n"
RUN = "results/retrain/{}/darts-20/published-synflow/seed1/run{}/{}"
TASKS = {"cifar10": {"epochs": 600, "gpus": 1}, "digits": {"epochs": 8, "gpus": 0}, "own": {"epochs": 5, "gpus": 1}}


def summary(*rows: tuple[str, str, str, str]) -> str:
    return HEADER + "".join(f"{path}\t-\t{rule}\t-\t{status}\t{todo}\n" for path, rule, status, todo in rows)


def training(task: str, run: int, status: str = "missing", todo: str = "update pending") -> list[tuple]:
    names = ("metrics.json", "history.csv", "protocol.json", "weights.safetensors")
    return [(RUN.format(task, run, name), "retrain", status, todo) for name in names]


def metrics(folder, task: str, run: int, hours: float, epochs: int, gpu: bool) -> None:
    content = {"hours": hours, "gpu_hours": hours if gpu else 0.0, "epochs": epochs, "device": "H100" if gpu else "cpu"}
    write(folder / RUN.format(task, run, "metrics.json"), content)


def test_hours_come_from_what_was_measured_and_else_from_estimates(tmp_path):
    stated = plan.estimates(TASKS, {"cifar10": {"seconds": 30, "source": "a log"}}, "epochs.yaml")
    assert stated == {"cifar10": (30, "estimate: a log")}
    for run, hours in enumerate((1, 3, 5)):
        metrics(tmp_path, "digits", run, hours, 10, gpu=False)
        metrics(tmp_path, "cifar10", run, hours, 10, gpu=False)  # on another device than the task asks for
    assert plan.measured(TASKS, tmp_path / "results") == {"digits": (1080.0, "measured here, n = 3, cpu")}
    metrics(tmp_path, "cifar10", 7, 10, 600, gpu=True)
    assert plan.measured(TASKS, tmp_path / "results")["cifar10"] == (60.0, "measured here, n = 1, H100")


def test_interrupted_trainings_count_from_where_they_stopped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = plan.pending(summary(*training("cifar10", 0), *training("cifar10", 1), *training("cifar10", 2)))
    stopped = (tmp_path / RUN.format("cifar10", run, "") for run in range(3))
    run_folder.write_progress(next(stopped), [{"test_error": 9.0, "seconds": 30.0}] * 480, 600)
    run_folder.write_progress(next(stopped), [{"test_error": 9.0, "seconds": 30.0}] * 480, 500)  # of another number
    write(next(stopped) / "progress.json", '{"epoch"')
    text = plan.markdown("T", files, TASKS, {"cifar10": (30.0, "a log")})
    assert "- GPU-hours of 3 trainings: 11\n" in text
    (row,) = (line.split("|") for line in text.splitlines() if "| cifar10 |" in line)
    assert [cell.strip() for cell in row[6:9]] == ["3", str(120 + 600 + 600), "11"]


def test_plan_lists_files_and_trainings_that_are_pending():
    rows = [*training("cifar10", 0), *training("cifar10", 1), *training("digits", 0, "params changed")]
    rows += [
        *training("digits", 1, "ok", "no update"),
        ("results/tables.md", "tables", "updated input files", "update pending"),
    ]
    rows += training("own", 0)
    files = plan.pending(summary(*rows))
    text = plan.markdown("T", files, TASKS, {"cifar10": (30.0, "a log"), "digits": (90.0, "measured")})
    assert "- GPU-hours of 3 trainings: 10, and 1 of unknown length" in text
    assert "- CPU-hours of 1 trainings: 0.2" in text
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert ["retrain", "missing", "12"] in cells
    assert ["tables", "updated input files", "1"] in cells
    assert ["cifar10", "darts-20", "published-synflow", "missing", "GPU", "2", "1200", "10"] in cells
    assert [row[3:6] for row in cells if row[0] == "digits"] == [["params changed", "CPU", "1"]]
    assert "- cifar10: 30 s, a log\n" in text.partition(plan.BEHIND)[2]


def test_plan_says_how_long_replays_take():
    """Half an epoch each; one is there."""
    files = plan.pending(
        summary(*((f"results/replays/a/run{n}.json", "replay", "missing", "update pending") for n in (1, 2)))
    )
    replays = [(f"results/replays/a/run{n}.json", "cifar10", 0.5) for n in (1, 2, 3)]
    text = plan.markdown("T", files, TASKS, {"cifar10": (7200.0, "a log")}, replays=replays)
    assert "- GPU-hours of 2 replays: 2\n" in text
    assert "- GPU-hours of 2 replays: 0, and 2 of unknown length\n" in plan.markdown("T", files, TASKS, {}, (), replays)


def test_nothing_is_pending():
    files = plan.pending(summary(*training("digits", 0, "ok", "no update")))
    assert "all is there and up to date" in plan.markdown("T", files, TASKS, {})


@pytest.mark.parametrize("text", ["", "Nothing to be done", HEADER + "a\tb\n"])
def test_another_text_than_a_summary_is_refused(text):
    with pytest.raises(InputError, match="expected what `snakemake --summary TARGET` prints"):
        plan.pending(text)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ([], "e.yaml: expected an entry for each task"),
        ({"digits": {"seconds": 1}}, "e.yaml: digits: expected seconds and source"),
        ({"digits": {"seconds": 0, "source": "x"}}, "e.yaml: digits: seconds: 0; allowed: a number above 0"),
    ],
)
def test_bad_estimates_are_refused(stated, message):
    with pytest.raises(InputError, match=message):
        plan.estimates(TASKS, stated, "e.yaml")


def test_every_task_that_can_be_trained_has_an_estimate(catalogue):
    tasks = json.loads(catalogue.plan_settings())["tasks"]
    stated = yaml.safe_load((ROOT / "resources/epochs.yaml").read_text())
    assert set(tasks) == set(stated)
    hours = {name: stated[name]["seconds"] * tasks[name]["epochs"] / 3600 for name in tasks}
    assert hours["cifar10-c38"] == pytest.approx(30.5, rel=0.01)  # in all, by the logs
    assert hours["imagenet"] == pytest.approx(155.8, rel=0.01)
    assert hours["imagenet-mobilenet"] == pytest.approx(2 * 115.5, rel=0.01)


def test_script_needs_no_torch(tmp_path):
    epochs = write(tmp_path / "epochs.yaml", "{}")
    settings = {"tasks": {}, "trainings": [], "replays": [], "data": [], "readings": READINGS, "plan": {"gpus": 8}}
    given = {"--target": "T", "--settings": json.dumps(settings), "--epochs": epochs, "--output": tmp_path / "plan.md"}
    check = (
        f"import sys; sys.argv[1:] = {list(map(str, options(given)))!r}\n"
        "import scripts.plan; scripts.plan.main(); print([m for m in ('torch', 'pandas') if m in sys.modules])"
    )
    command = [sys.executable, "-c", check]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, input=summary(), check=True)
    assert done.stdout == "[]\n"


@pytest.mark.workflow
def test_snakemake_makes_the_plan_afresh_every_time(tmp_path):
    overlay = {
        "tasks": {"tiny": TINY_TASK},
        "search": [],
        "costs": [],
        "sources": {"notebook-snip": {"supernets": ["nasbench201"], "seeds": [4]}},
        "retrain": [{"task": "tiny", "supernet": "nasbench201", "source": "notebook-snip", "runs": 2}],
    }
    config = write(tmp_path / "overlay.json", overlay)
    command = [sys.executable, "-m", "snakemake", "results/plan.md", "--snakefile", ROOT / "Snakefile"]

    def made() -> str:
        done = subprocess.run([*command, "--configfile", config], cwd=tmp_path, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return (tmp_path / "results/plan.md").read_text()

    first = made()
    assert "- CPU-hours of 2 trainings: 0, and 2 of unknown length" in first
    metrics(tmp_path, "tiny", 5, 1, 2, gpu=False)
    second = made()
    assert "- CPU-hours of 2 trainings: 2\n" in second
    assert "measured here, n = 1, cpu" in second
