"""The shape of the project: who imports whom, what a job loads, versions in step."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import metadata

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from freedarts.spaces import SPACES
from tests.conftest import ROOT

LIGHT = (
    "baselines",
    "beside",
    "catalogue",
    "cluster",
    "digest",
    "driver",
    "files",
    "genotype",
    "images",
    "manifest",
    "modules",
    "numbers",
    "plan",
    "progress",
    "protocol",
    "repair",
    "results",
    "scores",
    "settings",
    "slots",
    "status",
    "tasks",
)
LIGHT += tuple(f"spaces.{name}" for name in SPACES)
SCRIPTS = sorted(path for path in (ROOT / "scripts").glob("*.py") if path.name != "__init__.py")
LOCK = dict(re.findall(r"^([\w.-]+)==(.+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


def imported(path) -> set[str]:
    """Modules that a file imports when it is imported itself."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def test_dependencies_run_one_way():
    for path in (ROOT / "freedarts").rglob("*.py"):
        names = imported(path)
        assert not any(name.split(".")[0] in ("snakemake", "scripts", "rules") for name in names), path
        folder = path.parent.name
        forbidden = {"spaces": ("scores", "networks", "search", "training"), "scores": ("spaces", "networks", "search")}
        for other in forbidden.get(folder, ()):
            assert not any(name.startswith(f"freedarts.{other}") for name in names), path


@pytest.mark.parametrize("module", LIGHT)
def test_planning_and_derivation_load_no_torch(module):
    check = f"import sys, freedarts.{module}; print([m for m in ('torch', 'pandas', 'sklearn') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, text=True, capture_output=True).stdout == "[]\n"


def test_digest_of_code_runs_none_of_it():
    check = (
        "import sys, pathlib; from freedarts.digest import code_digest; code_digest(pathlib.Path('scripts/search.py'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{check}; print('torch' in sys.modules)"], cwd=ROOT, text=True, capture_output=True
    )
    assert done.stdout == "False\n"


def test_search_job_loads_neither_torchvision_nor_pandas_nor_the_compiler(tmp_path):
    settings = (
        '{"supernet": {"space": "nasbench201", "channels": 4, "cells_per_stage": 1, "image_size": 8, "classes": 5}, '
        '"score": {"proxy": "synflow", "batch_norm": "train", "gates": "ones", "positive_gates": true, '
        '"positive_weights": true, "precision": "float32"}}'
    )
    arguments = ["--supernet", "n", "--score", "s", "--seed", "0", "--settings", settings]
    check = (
        f"import sys; sys.argv[1:] = {[*arguments, '--output', str(tmp_path / 'scores.json')]!r}\n"
        "import torch, scripts.search; scripts.search.main(); print(torch.are_deterministic_algorithms_enabled(), "
        "[m for m in ('torchvision', 'pandas', 'sklearn', 'torch._inductor', 'torch._dynamo') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout == "True []\n"


def test_conda_environment_has_the_versions_of_the_lock():
    content = yaml.safe_load((ROOT / "envs" / "freedarts.yaml").read_text())
    pins = dict(pin.split("==") for pin in content["dependencies"][-1]["pip"])
    assert pins
    assert pins == {name: LOCK[name] for name in pins}


@pytest.mark.parametrize("name", LOCK)
def test_locked_version_is_for_every_python_that_the_readme_allows(name):
    """A lock made with 3.11.7 held what 3.11.2, which Debian 12 has, could not install."""
    assert SpecifierSet(metadata(name)["Requires-Python"] or "").contains("3.11.0")


def test_lock_holds_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += project["project"]["optional-dependencies"]["slurm"]
    names = {re.match(r"[\w.-]+", entry)[0].lower() for entry in wanted}
    assert names <= {name.lower() for name in LOCK}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_has_the_name_of_a_rule_and_explains_itself(script):
    rules = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    assert f"\nrule {script.stem}:" in rules or f'f"{script.stem}_{{' in rules
    help_text = subprocess.run(
        [sys.executable, "-m", f"scripts.{script.stem}", "--help"], cwd=ROOT, text=True, capture_output=True, check=True
    )
    assert "--output" in help_text.stdout


RULES = {
    name: text
    for path in (ROOT / "rules").glob("*.smk")
    for name, text in re.findall(r"^ *rule (\w*):\n(.*?)(?=^ *rule |\Z)", path.read_text(), re.MULTILINE | re.DOTALL)
}


@pytest.mark.parametrize("name", RULES)
def test_rule_states_what_it_needs(name):
    text = RULES[name]
    assert {"threads:", "mem_mb=", "runtime="} <= set(re.findall(r"threads:|mem_mb=|runtime=", text))
    assert ("--gpus " in text) == ("gpu=" in text)
    local = re.search(r"localrules:(.*?)\n\n", (ROOT / "Snakefile").read_text(), re.DOTALL)[1]
    if not (f" {name}," in local or "localrule: True" in text):
        assert "attempt:" in text, "what is submitted asks for more with each attempt"
        assert "retries:" not in text, "the snakemake inside a SLURM job would retry as well"


def test_files_stay_readable():
    for path in (ROOT / "freedarts").rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
