"""The workflow as a module of another workflow, in a project elsewhere: `module freedarts: snakefile: …`."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT, VOLATILE, copy_project, planned, snakemake

pytestmark = pytest.mark.workflow

SOURCES = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))["sources"]
# One search, its costs, a genotype of each source; the search space is a file of the importing project.
SMALL = {
    "supernets": {"chain": {"space": "mine/chain.py", "channels": 8, "image_size": 32, "classes": 10}},
    "sources": {
        name: {"supernets": source["supernets"][:1], "seeds": source["seeds"][:1]} for name, source in SOURCES.items()
    },
    "tasks": {
        "chain": {"space": "mine/chain.py", "network": {"channels": 8, "image_size": 32, "classes": 10}},
    },
    "search": [{"supernets": ["chain"], "scores": ["synflow"], "seeds": 1}],
    "correlation": [],
    "costs": [{"tasks": ["chain"], "supernets": ["chain"], "sources": ["synflow"]}],
    "retrain": [],
}
IMPORTING = """
configfile: "project.yaml"

rule all:
    input:
        "mine.txt",
        "{folder}results/tables.md",

rule mine:
    output:
        "mine.txt",
    shell:
        "touch {{output}}"

module freedarts:
    snakefile:
        "{snakefile}"
{options}

use rule * from freedarts as freedarts_*
"""
CONFIG = "    config:\n        config['search']"
ONLY_PREFIX = "    prefix:\n        'nas'"
PREFIX = f"{CONFIG}\n{ONLY_PREFIX}"


@pytest.fixture(autouse=True)
def not_on_the_path(monkeypatch):
    """The workflow and its library are found without this."""
    monkeypatch.setenv("PYTHONPATH", "")


def project(folder: Path, options: str = "", snakefile: Path | str = ROOT / "Snakefile") -> Path:
    """A project of someone else, with a setting and a rule of its own, that imports the workflow."""
    (folder / "mine").mkdir(parents=True)
    shutil.copy2(ROOT / "examples" / "chain.py", folder / "mine")
    prefix = "nas/" if "prefix:" in options else ""
    (folder / "Snakefile").write_text(IMPORTING.format(folder=prefix, snakefile=snakefile, options=options))
    (folder / "project.yaml").write_text(yaml.safe_dump({"of the project": 1, "search": SMALL}))
    return folder


def table(results: Path) -> list[dict]:
    with (results / "tables.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["column"] not in VOLATILE]


def test_without_config_the_jobs_are_those_of_the_project_itself(tmp_path):
    (alone := tmp_path / "alone").mkdir()
    of_its_own = planned(alone, "--snakefile", str(ROOT / "Snakefile"), "--cores", "1")
    assert len(of_its_own) > 100
    assert planned(project(tmp_path / "importing"), "--cores", "1") == of_its_own | {"mine.txt"}


def test_without_config_that_of_the_call_counts(tmp_path):
    given = "search=[{supernets: [nasbench201], scores: [synflow], seeds: 2}]"
    names = planned(project(tmp_path / "importing"), "--cores", "1", "--config", given, "retrain=[]", "costs=[]")
    searches = {name for name in names if name.startswith("results/search/")}
    assert searches == {f"results/search/nasbench201/synflow/seed{seed}/scores.json" for seed in (0, 1)}


def test_prefix_moves_all_that_is_made_and_nothing_that_is_given(tmp_path):
    plain = planned(project(tmp_path / "plain", CONFIG), "--cores", "1") - {"mine.txt"}
    assert "results/search/chain/synflow/seed0/scores.json" in plain
    assert "results/search/darts-8/synflow/seed0/scores.json" not in plain
    moved = planned(project(tmp_path / "moved", PREFIX), "--cores", "1") - {"mine.txt"}
    assert moved == {f"nas/{name}" for name in plain}


def test_rules_of_scripts_that_look_results_up_say_where():
    rules = [rule for file in ROOT.glob("rules/*.smk") for rule in file.read_text().split("\nrule ")]
    scripts = [file.stem for file in ROOT.glob("scripts/*.py") if "parse_in_folder(" in file.read_text()]
    assert {"tables", "number", "status", "plan", "report"} <= set(scripts)
    for script in scripts:
        (rule,) = [rule for rule in rules if f"-m scripts.{script} " in rule]
        assert "{params.folder}" in rule, script


def test_trainings_keep_their_checkpoints_below_the_prefix(tmp_path):
    target = "nas/results/retrain/digits/darts-8/largest/seed0/run0/metrics.json"
    said = snakemake(project(tmp_path / "moved", PREFIX), "-n", "-p", "--cores", "1", target)
    assert "--checkpoints nas/checkpoints " in said


def test_images_are_looked_for_below_the_prefix(tmp_path):
    target = "nas/results/search/mobilenet/synflow-released/seed0/scores.json"  # optional, left out without its images
    importing = project(tmp_path / "moved", ONLY_PREFIX)
    (importing / "nas" / "data" / "imagenet").mkdir(parents=True)
    assert planned(importing, "--cores", "1", target) == {"nas/data/imagenet.json", target}


def test_the_tables_are_the_same_with_a_prefix(tmp_path):
    plain = project(tmp_path / "plain", CONFIG)
    snakemake(plain, "--cores", "2")
    moved = project(tmp_path / "moved", PREFIX, "modules/freedarts/Snakefile")
    copy_project(moved / "modules" / "freedarts")  # within the importing project: its files get no prefix
    snakemake(moved, "--cores", "2")
    assert len(table(plain / "results")) > 20
    assert table(moved / "nas" / "results") == table(plain / "results")

    made = {path.name for path in moved.iterdir()} - {path.name for path in (moved / "modules" / "freedarts").iterdir()}
    assert made == {"project.yaml", "mine", "mine.txt", "modules", "nas", ".snakemake"}
    manifest = json.loads((moved / "nas/results/manifest.json").read_text())
    assert "results/search/chain/synflow/seed0/scores.json" in manifest["files"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(moved / "modules" / "freedarts"), str(moved)])}
    verify = [sys.executable, "-m", "freedarts", "verify"]
    done = subprocess.run(verify, cwd=moved / "nas", env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr

    pages = [f"nas/results/{name}" for name in ("plan.md", "status.md", "report-so-far.html")]
    snakemake(moved, "--cores", "2", *pages)
    plan, status, report = ((moved / page).read_text() for page in pages)
    assert "# What nas/results/tables.md still needs\n\nNothing: all is there" in plan
    assert "synflow on chain: 1 of 1 finished" in status
    assert "`snakemake nas/results/numbers/" in status
    assert "<code>snakemake nas/results/figures/" in report
    assert planned(moved, "--cores", "1") == set()


def refused(folder: Path, options: str = "", **arguments) -> str:
    return snakemake(project(folder, options, **arguments), "-n", "--cores", "1", check=False)


def test_bad_config_ends_the_planning_of_the_importing_workflow(tmp_path):
    assert "'batchsize' was unexpected" in refused(tmp_path / "p", "    config:\n        {'batchsize': 3}")


def test_parts_of_the_results_cannot_be_moved(tmp_path):
    said = refused(tmp_path / "p", "    replace_prefix:\n        {'results/': 'nas/'}")
    assert "replace_prefix: " in said
    assert "allowed: prefix" in said


def test_package_that_hides_the_scripts_is_named(tmp_path):
    (tmp_path / "p" / "scripts").mkdir(parents=True)
    (tmp_path / "p" / "scripts" / "__init__.py").touch()
    assert "scripts/__init__.py: " in refused(tmp_path / "p")


def test_snakefile_without_its_folder_is_refused(tmp_path):
    """As `github(...)` gives it: single files, and the jobs call scripts."""
    repository = copy_project(tmp_path / "clone")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(repository)]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *arguments], check=True)
    importing = project(tmp_path / "p")
    file = importing / "Snakefile"
    hosted = f'gitfile("{repository}", path="Snakefile", ref="HEAD")'
    file.write_text(file.read_text().replace(f'"{ROOT / "Snakefile"}"', hosted))
    assert "allowed: Snakefile in a clone" in snakemake(importing, "-n", "--cores", "1", check=False)
