"""The default run from nothing: what it finds, and what a change of it runs again."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.support import planned, table, write_overlay

pytestmark = [pytest.mark.workflow, pytest.mark.default]


@pytest.fixture
def finished(quick, tmp_path) -> Path:
    """A copy of the finished quick run, times of modification and Snakemake's records included."""
    return Path(shutil.copytree(quick, tmp_path / "project"))


def test_quick_run_finds_the_published_facts(quick):
    values = table(quick)
    rows = {(name, row) for name, row, _ in values}
    searches = [{c: v for (n, r, c), v in values.items() if (n, r) == key} for key in rows if key[0] == "search"]
    verdicts = {(row["supernet"], row["score"]): row["verdict"] for row in searches}
    darts = ("darts-8", "darts-20", "darts-imagenet")
    assert {verdicts[supernet, "synflow-released"] for supernet in darts} == {"5 noise"}
    assert {verdicts[supernet, "synflow"] for supernet in (*darts, "nasbench201", "mobilenet")} == {"5 sound"}
    on_batches = {case: verdict for case, verdict in verdicts.items() if case[1].endswith("-b8")}
    assert len(on_batches) == 8
    # Its step of 0.03 leaves gates whose scores float32 holds to about 1 %, the limit.
    assert "overflow" not in on_batches.pop(("nasbench201", "grasp-released-digits-b8"))
    assert set(on_batches.values()) == {"2 sound"}
    assert verdicts["nasbench201", "synflow-released"] == "5 sound"
    for row in searches:
        if row["printed"]:
            assert float(row["objective, seed 0"]) == pytest.approx(float(row["printed"]), abs=5e-5)
    checks = [value for (name, _, column), value in values.items() if (name, column) == ("costs", "check") and value]
    assert set(checks) == {"exact", "cannot tell"}
    assert checks.count("exact") == 40
    assert checks.count("cannot tell") == 6


def test_quick_run_learns_the_digits(quick):
    runs = list(quick.glob("results/retrain/*/*/*/*/*/metrics.json"))
    assert len(runs) == 4
    for run in runs:
        assert json.loads(run.read_text())["error_last"] <= 10
        assert all((run.with_name(name)).exists() for name in ("history.csv", "protocol.json", "weights.safetensors"))


def test_second_run_does_nothing(quick):
    assert planned(quick) == set()


def test_touched_and_reordered_files_rerun_nothing(finished):
    for path in (*finished.glob("scripts/*.py"), *finished.glob("resources/**/*.json"), *finished.glob("envs/*")):
        path.touch()
    config = finished / "config" / "config.yaml"
    content = yaml.safe_load(config.read_text())
    reordered = {key: content[key] for key in reversed(content)}
    reordered["scores"]["synflow"]["settings"] = dict(reversed(content["scores"]["synflow"]["settings"].items()))
    config.write_text("# a comment\n" + yaml.safe_dump(reordered, sort_keys=False))
    assert planned(finished, "--cores", "7") == set()


def test_one_more_seed_runs_that_seed(finished):
    added = {"search": yaml.safe_load((finished / "config" / "config.yaml").read_text())["search"]}
    added["search"].append({"supernets": ["nasbench201"], "scores": ["synflow"], "seeds": 6})
    assert planned(finished, *write_overlay(finished / "overlay.yaml", added)) == {
        "results/search/nasbench201/synflow/seed5/scores.json",
        "results/genotypes/nasbench201/synflow/seed5.json",
        "results/nasbench201/nasbench201/synflow.json",
        "results/nasbench201/rankings/nasbench201/synflow.json",
        "results/tables.md",
    }


def test_config_on_the_command_line_is_that_of_a_file(finished):
    config = yaml.safe_load((finished / "config" / "config.yaml").read_text())
    config["search"].append({"supernets": ["nasbench201"], "scores": ["synflow"], "seeds": 6})
    given = f"search={yaml.safe_dump(config['search'], default_flow_style=True, width=10**6).strip()}"
    expected = planned(finished, *write_overlay(finished / "overlay.yaml", {"search": config["search"]}))
    assert len(expected) == 5
    assert planned(finished, "--config", given, "nasbench201={file: null}") == expected


def test_changed_score_reruns_its_searches_and_what_follows(finished):
    changed = {"scores": {"synflow-released": {"overrides": {"nasbench201": {"gate_scale": 0.002}}}}}
    seeds = range(5)
    assert planned(finished, *write_overlay(finished / "overlay.yaml", changed)) == {
        *(f"results/search/nasbench201/synflow-released/seed{seed}/scores.json" for seed in seeds),
        *(f"results/genotypes/nasbench201/synflow-released/seed{seed}.json" for seed in seeds),
        "results/genotypes/nasbench201/random-matched-synflow-released/seed0.json",  # and its other seeds, in one job
        "results/nasbench201/nasbench201/synflow-released.json",
        "results/nasbench201/nasbench201/random-matched-synflow-released.json",
        "results/nasbench201/rankings/nasbench201/synflow-released.json",
        "results/retrain/digits-nasbench201/nasbench201/synflow-released/seed0/run0/metrics.json",
        "results/tables.md",
    }


def test_changed_learning_rate_reruns_its_trainings(finished):
    changed = {"tasks": {"digits": {"protocol": {"learning_rate": 0.04}}}}
    runs = planned(finished, *write_overlay(finished / "overlay.yaml", changed))
    assert {name.split("/")[2] for name in runs if name.startswith("results/retrain")} == {"digits"}
    assert len(runs) == 4
    assert "results/tables.md" in runs


def test_edited_score_reruns_searches_and_no_costs_of_published_genotypes(finished):
    module = finished / "freedarts" / "scores" / "synflow.py"
    module.write_text(module.read_text() + "\nEDITED = True\n")
    runs = planned(finished)
    assert sum(name.startswith("results/search/") for name in runs) == 45  # none of SNIP and GraSP
    assert not [name for name in runs if "published" in name]


def test_edited_tables_rerun_the_tables_alone(finished):
    module = finished / "freedarts" / "tables" / "__init__.py"
    module.write_text(module.read_text() + "\nEDITED = True\n")
    assert planned(finished) == {"results/tables.md"}
