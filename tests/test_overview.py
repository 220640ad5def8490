"""What the tiers and the numbers of the paper cost, before anything is run."""

import json
import re
import time
from pathlib import Path

import pytest
import yaml

from freedarts.results import overview, plan
from freedarts.study.catalogue import Catalogue
from freedarts.study.settings import overlaid
from tests.support import METRICS, NUMBERS, READINGS, ROOT, freedarts, write

TIERS = yaml.safe_load((ROOT / "resources" / "tiers.yaml").read_text(encoding="utf-8"))
FOUR = ("published-synflow", "synflow-released", "random", "random-matched-published-synflow")


def settings(name: str) -> dict:
    overlays = [] if name == "config.yaml" else [ROOT / "config" / name]
    return json.loads(Catalogue(overlaid(ROOT, overlays), ROOT).plan_settings())


@pytest.fixture(scope="module")
def selections() -> dict[str, dict]:
    return {tier["file"]: settings(tier["file"]) for tier in TIERS["tiers"]}


@pytest.fixture
def prices(tmp_path, monkeypatch, selections) -> overview.Prices:
    """By the release's logs, in an empty folder, with 1 and 8 GPUs."""
    monkeypatch.chdir(tmp_path)
    tasks = selections["config.yaml"]["tasks"]
    stated = yaml.safe_load((ROOT / "resources" / "epochs.yaml").read_text(encoding="utf-8"))
    return overview.Prices(tasks, plan.estimates(tasks, stated, "epochs.yaml"), (1, 8), time.time())


def cells(lines: list[str]) -> list[dict[str, str]]:
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()]
    return [dict(zip(table[0], row, strict=True)) for row in table[2:]]


@pytest.mark.parametrize(
    ("trainings", "gpus", "hours"),
    [
        ([(1, 3.0), (1, 2.0), (1, 2.0)], 1, 7.0),
        ([(1, 3.0), (1, 2.0), (1, 2.0)], 2, 4.0),
        ([(1, 3.0), (1, 2.0), (1, 2.0)], 8, 3.0),
        ([(2, 8.0), (1, 1.0)], 2, 5.0),  # 4 h on both
        ([(2, 8.0)], 1, None),
        ([], 1, 0.0),
    ],
)
def test_wall_time_is_that_of_so_many_gpus(trainings, gpus, hours):
    assert overview.wall(trainings, gpus) == hours


@pytest.mark.parametrize(("name", "task"), [("evening.yaml", "cifar10-short"), ("afternoon.yaml", "cifar10-small")])
def test_comparison_is_of_five_genotypes_of_four_sources(selections, name, task):
    trainings = selections[name]["trainings"]
    assert {(task, supernet) for task, supernet, *_ in trainings} == {(task, "darts-8")}
    assert {source: sum(case[2] == source for case in trainings) for source in FOUR} == dict.fromkeys(FOUR, 5)
    assert len(trainings) == 20


def test_week_is_three_trainings_and_a_verdict():
    catalogue = Catalogue(overlaid(ROOT, [ROOT / "config" / "week.yaml"]), ROOT)
    assert (len(catalogue.trainings()), catalogue.judged_numbers()) == (3, ["cifar10/freedarts-dagger"])


def test_every_tier_says_what_it_takes_and_the_evening_what_it_could_see(prices, selections):
    lines = overview.tiers(TIERS["tiers"], list(selections.values()), TIERS, prices)
    rows = {row["tier"]: row for row in cells(lines)}
    assert {rows[tier]["GPU-hours"] for tier in rows if "GPU" not in tier or "no GPU" in tier} - {"11,624"} == {"0"}
    week = rows["one GPU, a week"]
    assert [week[key] for key in ("trainings", "GPU-hours", "1 GPU", "8 GPUs", "download")] == [
        *("3", "91.4", "3.8 d", "30 h", "170 MB")
    ]
    assert rows["cluster"]["GPU-hours"] == "11,624"
    assert float(rows["one GPU, an evening"]["GPU-hours"]) < 4
    (evening,) = (" ".join(line.split()) for line in lines if line.startswith("- one GPU, an evening"))
    assert (
        "differences of 2 points and more between 4 sources (n = 5 each, 5 %, power 80 %, spread 1, assumed)" in evening
    )


def test_replays_on_a_gpu_count_as_long_as_their_steps_take(prices, selections):
    assert selections["cifar10.yaml"]["replays"] == []  # first steps, on the CPU
    found = selections["evening.yaml"]["replays"]
    assert len(found) == 2 * 4  # three copies and the control of two logs
    logs = yaml.safe_load((ROOT / "resources" / "replays.yaml").read_text(encoding="utf-8"))
    tasks = {log["log"]: log["task"] for log in logs if "task" in log}
    whole = sum(4 * prices.seconds[tasks[log]][0] for log in ("cifar10-dagger", "cifar10-ddagger")) / 3600
    assert prices.costs([], found).gpu_hours == pytest.approx(whole, rel=1e-3)  # 521 steps of 96: all 50,000 images
    Path(found[0][0]).parent.mkdir(parents=True)
    Path(found[0][0]).touch()
    one = prices.seconds[tasks["cifar10-dagger"]][0] / 3600
    assert prices.costs([], found).gpu_hours == pytest.approx(whole - one, rel=1e-3)


@pytest.mark.workflow
@pytest.mark.parametrize("options", [(), ("--configfile", ROOT / "config" / "paper.yaml", "--gpus", 8)])
def test_plan_is_one_screen_with_every_number_once_cheapest_first(tmp_path, options):
    status, text = freedarts(tmp_path, "plan", *options)
    assert status == 0, text
    lines = text.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 150
    tiers, numbers = (cells([table.strip()]) for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE))
    assert [row["tier"] for row in tiers] == [tier["tier"] for tier in TIERS["tiers"]]
    names = [row["number"].split(", …-") for row in numbers]
    found = [id for first, *more in names for id in (first, *(f"{first.rpartition('-')[0]}-{end}" for end in more))]
    lookups = [id for id, number in NUMBERS.items() if "lookup" in number["reproduced_by"]]
    assert found[0] == f"nasbench201/… ({len(lookups)} look-ups)"
    assert sorted(found[1:]) == sorted(NUMBERS.keys() - set(lookups))
    for rows in (tiers, numbers):
        hours = [float(row["GPU-hours"].replace(",", "")) for row in rows]
        assert hours == sorted(hours)


def test_spread_is_measured_where_two_trainings_of_a_source_are_finished(prices, selections):
    trainings = selections["evening.yaml"]["trainings"]
    for (task, supernet, source, seed, run), error in zip(trainings[:3], (14.0, 15.0, 16.0), strict=True):
        write(
            Path(f"results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/metrics.json"),
            METRICS | {"error_last": error},
        )
    found = overview.comparison(trainings, TIERS["spread"], prices)
    assert "spread 1, measured here with 2 degrees of freedom" in found
    assert prices.costs(trainings).trainings == 17


def test_numbers_stand_with_what_their_verdicts_take_cheapest_first(prices):
    rows = cells(overview.numbers(list(NUMBERS.values()), READINGS, TIERS, prices))
    assert rows[0]["number"] == "nasbench201/… (18 look-ups)"
    hours = [float(row["GPU-hours"].replace(",", "")) for row in rows]
    assert hours == sorted(hours)
    (dagger,) = (row for row in rows if row["number"] == "cifar10/freedarts-dagger")
    assert (dagger["trainings"], dagger["all readings"], dagger["hours from"]) == ("3", "8, 244 h", "estimate")
    assert "imagenet/freedarts-dagger-top1, …-top5" in [row["number"] for row in rows]


def test_data_that_are_there_need_no_download(prices):
    before = cells(overview.numbers([NUMBERS["cifar10/freedarts"]], READINGS, TIERS, prices))[0]
    Path("data/cifar10").mkdir(parents=True)
    after = cells(overview.numbers([NUMBERS["cifar10/freedarts"]], READINGS, TIERS, prices))[0]
    assert (before["download"], after["download"]) == ("170 MB", "–")


@pytest.mark.parametrize(
    ("budget", "chosen", "verdicts"),
    [
        (10, set(), 18),
        (90, {"cifar100/freedarts-dagger"}, 19),
        (200, {"cifar100/freedarts-dagger", "cifar10/freedarts-dagger"}, 20),
        # Two numbers for 375 GPU-hours are fewer than four for 379.
        (380, {f"cifar{n}/freedarts-{d}" for n in (10, 100) for d in ("dagger", "ddagger")}, 22),
    ],
)
def test_budget_goes_where_it_answers_most(prices, budget, chosen, verdicts):
    lines = overview.within(budget, list(NUMBERS.values()), READINGS, prices)
    assert lines[0].startswith(f"{verdicts} verdicts in ")
    assert set(re.findall(r"([\w/-]+)/published", lines[-1])) == chosen


def test_hours_come_from_trainings_here_else_from_preflights_else_from_logs(tmp_path):
    tasks = {"a": {"epochs": 9, "gpus": 1, "images": 50000}, "b": {"epochs": 9, "gpus": 0, "images": 1437}}
    tried = {"images_per_second": 500.0, "device": "H100", "processes": 1}
    write(tmp_path / "preflight/a/n/s/seed0.json", tried)
    write(tmp_path / "preflight/b/n/s/seed0.json", tried)  # on another device than the task asks for
    stated = {"a": {"seconds": 200, "source": "a log"}, "b": {"seconds": 9, "source": "a core"}}
    found = plan.seconds(tasks, stated, "epochs.yaml", tmp_path)
    assert found == {"a": (100.0, "preflight here, n = 1, H100"), "b": (9, "estimate: a core")}
    write(
        tmp_path / "retrain/a/n/s/seed0/run0/metrics.json", {"hours": 1, "gpu_hours": 1, "epochs": 60, "device": "H100"}
    )
    assert plan.seconds(tasks, stated, "epochs.yaml", tmp_path)["a"] == (60.0, "measured here, n = 1, H100")
