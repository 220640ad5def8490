"""The real snakemake on a small copy of the project: searches here, looked up in a benchmark file."""

import json
import shutil
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
import yaml
from scipy.stats import spearmanr

from benchmarks import default_catalogue
from freedarts.architectures import ratings
from freedarts.genotype import read
from freedarts.nasbench201 import DOWNLOAD, TABLE, accuracy, packaged
from freedarts.study.catalogue import OWN_SAMPLE
from freedarts.study.paths import ARCHITECTURE_SCORES, GENOTYPE, SCATTER_FIGURE, SEARCH
from scripts import search
from tests.nasbench201 import file as generated
from tests.support import ROOT, copy_project, planned, snakemake, table

pytestmark = pytest.mark.workflow

SCORES = ("synflow", "synflow-released")
SEEDS = 5


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """NAS-Bench-201 alone, run without a benchmark file, with the searches done before (in one process, which saves ten
    imports of torch)."""
    project = copy_project(tmp_path_factory.mktemp("nasbench201") / "project")
    path = project / "config" / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config |= {
        "supernets": {"nasbench201": config["supernets"]["nasbench201"]},
        "sources": {
            name: entry | {"supernets": ["nasbench201"]}
            for name, entry in config["sources"].items()
            if "nasbench201" in entry["supernets"]
        },
        "search": [{"supernets": ["nasbench201"], "scores": list(SCORES), "seeds": SEEDS}],
        "correlation": [{"scores": ["parameters"], "architectures": 15625, "seeds": 1}],
        "tasks": {},
        "costs": [],
        "retrain": [],
    }
    config["scores"] = {name: config["scores"][name] for name in SCORES}
    for score in config["scores"].values():
        score["overrides"] = {n: value for n, value in score.get("overrides", {}).items() if n == "nasbench201"}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name, seed in product(SCORES, range(SEEDS)):
            names = {"supernet": "nasbench201", "score": name, "seed": seed}
            options = {**names, "settings": default_catalogue().search_settings("nasbench201", name)}
            options["output"] = project / SEARCH.format(**names)
            patch.setattr(sys, "argv", ["search", *(f"--{key}={value}" for key, value in options.items())])
            search.main()
    snakemake(project)
    return project


@pytest.fixture(scope="module")
def accuracies() -> dict[int, float]:
    """The CIFAR-10 test accuracy of every architecture, in the version that is not the default."""
    return dict(enumerate(packaged.accuracies("v1_0")["cifar10_test"].tolist()))


def table_rows(project: Path, title: str, configuration: str = "") -> list[dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for (name, row, column), value in table(project, configuration).items():
        if name == title:
            found.setdefault(row, {})[column] = value
    return list(found.values())


def rows(project: Path) -> dict[tuple[str, str], dict[str, str]]:
    """(source, status) -> the row of the NAS-Bench-201 table."""
    return {(row["source"], row["status"]): row for row in table_rows(project, "nasbench201")}


def with_file(path: object) -> tuple[str, str]:
    return "--config", f"nasbench201={{file: {path}}}"


def test_searched_architectures_are_looked_up_in_a_real_benchmark(project, accuracies, tmp_path):
    project = Path(shutil.copytree(project, tmp_path / "project"))
    generated.write_legacy(project / "benchmark.pth", generated.from_accuracies(accuracies))
    snakemake(project, *with_file("benchmark.pth"))
    found = rows(project)
    assert {row["version"] for row in found.values()} == {"v1_0"}
    expected = dict.fromkeys(SCORES, SEEDS) | {"random": 10, "random-matched-synflow-released": 10, "largest": 1}
    for source, seeds in expected.items():
        row = found[source, "looked up"]
        indices = [int(index) for index in row["architectures"].removesuffix(", …").split(", ")]
        values = [float(value) for value in row["C10 test"].split()]
        assert len(values) == int(float(row["n"])) == seeds
        assert {accuracies[index] for index in indices} <= set(values)
        genotypes = (read(path) for path in (project / "results/genotypes/nasbench201" / source).glob("seed*.json"))
        assert sorted(values) == sorted(accuracies[genotype.index] for genotype in genotypes)
        ranks = [1 + sum(other > value for other in accuracies.values()) for value in values]
        assert [int(rank) for rank in row["rank"].split()] == ranks
        assert int(float(row["of"])) == len(accuracies) == 15625
        assert row["C100 test"] == ""
        assert f"| {row['architectures']} " in (project / "results" / "tables.md").read_text(encoding="utf-8")
    assert float(found["optimum", "looked up"]["C10 test"]) == max(accuracies.values())
    for source in ("notebook-snip", "notebook-grasp", "notebook-synflow"):
        printed, looked_up = (float(found[source, s]["C10 test"]) for s in ("printed by the release", "looked up"))
        assert printed == pytest.approx(looked_up, abs=0.005)

    verdicts = {
        row["number"]: (row["verdict"].split(";")[0], row["genotype"]) for row in table_rows(project, "lookups")
    }
    assert verdicts["nasbench201/snip-cifar10-test"] == verdicts["nasbench201/grasp-cifar10-test"]
    assert verdicts["nasbench201/snip-cifar10-test"] == ("reproduced", "not run")
    assert verdicts["nasbench201/synflow-cifar10-test"] == ("reproduced", "not reproduced: 0 of 1 the same")
    assert verdicts["nasbench201/snip-cifar10-valid"][0] == "needs the v1_0 file"  # not among these accuracies
    snakemake(project, number := "results/numbers/nasbench201/synflow-cifar10-test.json", *with_file("benchmark.pth"))
    found = json.loads((project / number).read_text())
    assert (found["readings"]["published"]["mean"], found["readings"]["published"]["verdict"]) == (10.0, "reproduced")
    assert (found["value"], found["genotype"]) == (10.0, "not reproduced: 0 of 1 the same")

    cifar10, *others = table_rows(project, "correlation")
    assert {row["score"] for row in others if row["ρ"]} == set(SCORES)
    assert {row["data set"] for row in others if row["ρ"]} == {"CIFAR-10"}
    path = project / ARCHITECTURE_SCORES.format(score="parameters", architectures=15625, seed=0)
    counted = json.loads(path.read_text())
    values = [accuracies[index] for index in counted["architectures"]]
    assert float(cifar10["ρ"]) == pytest.approx(spearmanr(counted["scores"], values).statistic)
    assert (int(float(cifar10["n"])), cifar10["ρ, 95 %"]) == (15625, "")

    (project / "benchmark.pth").unlink()
    assert planned(project, *with_file("benchmark.pth")) == set()


def test_without_a_file_the_accuracies_of_the_package_are_looked_up(project):
    assert not (project / "data").exists()
    download = planned(project, *with_file("download"))
    assert {name for name in download if name.startswith("data/")} == {DOWNLOAD, TABLE}
    assert "nasbench201.file: null; allowed: path" in snakemake(project, "-n", TABLE, check=False)
    assert "nasbench201.file: no file or folder 'absent.pth'" in snakemake(
        project, "-n", *with_file("absent.pth"), check=False
    )
    found = rows(project)
    assert {version: row["version"] for (_, version), row in found.items()} == {
        "looked up": "v1_1",
        "printed by the release": "v1_0",
    }
    for source in ("random", "synflow-released"):
        genotypes = (read(path) for path in (project / "results/genotypes/nasbench201" / source).glob("seed*.json"))
        expected = sorted(accuracy(genotype, "ImageNet16-120", "valid") for genotype in genotypes)
        assert sorted(map(float, found[source, "looked up"]["IN16 valid"].split())) == expected
    assert float(found["notebook-grasp", "printed by the release"]["C10 test"]) == 93.53
    verdicts = Counter(row["verdict"] for row in table_rows(project, "lookups"))
    assert verdicts == {"reproduced": 12, "needs the v1_0 file": 6}
    assert {float(row["n"]) for row in table_rows(project, "correlation")} == {15625}


def test_own_scores_are_compared_and_drawn_without_another_line(project, tmp_path):
    project = Path(shutil.copytree(project, tmp_path / "project"))
    shutil.copytree(ROOT / "examples", project / "examples")
    network = {"channels": 4, "cells_per_stage": 1, "image_size": 32, "classes": 10}
    fisher = {"proxy": "examples/fisher.py", "data": {"dataset": "digits", "batch_size": 2}}
    settings = yaml.safe_load((ROOT / "config/examples/own.yaml").read_text())["scores"]["fisher-digits-b8"]["settings"]
    overlay = {
        "name": "own",
        "supernets": {"tiny": {"space": "nasbench201", **network}},
        "scores": {"searched": {"settings": settings | fisher}},
        "architecture_scores": {"alone": fisher | {"network": network}},
        "search": [{"supernets": ["tiny"], "scores": ["searched"], "seeds": 1}],
    }
    (project / "own.yaml").write_text(yaml.safe_dump(overlay))
    snakemake(project, "results/own/tables.md", figure := f"results/own/{SCATTER_FIGURE}", "--configfile", "own.yaml")

    sample = {"score": "alone", "architectures": OWN_SAMPLE["architectures"], "seed": 0}
    scored = json.loads((project / ARCHITECTURE_SCORES.format(**sample)).read_text())
    case = {"supernet": "tiny", "score": "searched", "seed": 0}
    rated = ratings.ratings(json.loads((project / SEARCH.format(**case)).read_text())["scores"]["cell"])
    values = {
        "alone": dict(zip(scored["architectures"], scored["scores"], strict=True)),
        "searched": dict(enumerate(rated)),
    }
    written = ET.parse(project / figure).getroot()
    texts, marks = (
        ["".join(node.itertext()).strip() for node in written.iter(f"{{http://www.w3.org/2000/svg}}{name}")]
        for name in ("text", "title")
    )
    _, _, ranked = (project / "results/own/tables.md").read_text(encoding="utf-8").partition("\n## Rank correlation\n")
    for name, by_index in values.items():
        assert f"| {name} " in ranked
        rows = [row for row in table_rows(project, "correlation", "own") if row["score"] == name]
        assert [row["data set"] for row in rows] == ["CIFAR-10", "CIFAR-100", "ImageNet16-120"]
        expected = spearmanr(list(by_index.values()), [accuracy(index) for index in by_index]).statistic
        assert (float(rows[0]["ρ"]), int(float(rows[0]["n"]))) == (pytest.approx(expected), len(by_index))
        assert {f"{name}, seed 0", f"ρ = {expected:.2f}, n = {len(by_index):,}"} <= {*texts}
    found = read(project / GENOTYPE.format(supernet="tiny", source="searched", seed=0))
    panels = sum(text.endswith(", seed 0") for text in texts)
    assert marks == [f"searched: {accuracy(found):.2f} %"] * panels
    assert panels == 3  # that of `parameters` is selected


def test_a_damaged_file_is_one_error_and_leaves_no_table(project, tmp_path):
    project = Path(shutil.copytree(project, tmp_path / "project"))
    generated.write_legacy(project / "cut.pth", generated.contents([0, 1]))
    (project / "cut.pth").write_bytes((project / "cut.pth").read_bytes()[:-5000])
    output = snakemake(project, TABLE, *with_file("cut.pth"), check=False)
    assert "error: cut.pth: cut short or damaged near byte" in output.replace("\r", "\n")
    assert not list((project / "data").rglob("*.parquet"))


def test_default_configuration_asks_for_no_file():
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    assert config["nasbench201"] == {"file": None}
