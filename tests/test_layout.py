"""The shape of the project: who imports whom, what a job loads, versions in step."""

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib.metadata import metadata

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from freedarts.spaces import SPACES
from tests.support import ROOT, RULES, SUBMITTED

LIGHT = (
    "baselines",
    "commands",
    "files",
    "genotype",
    "jobs.driver",
    "jobs.gpus",
    "jobs.slurm",
    "plugins",
    "results.manifest",
    "results.overview",
    "results.plan",
    "results.read",
    "results.records",
    "results.repair",
    "results.status",
    "scores",
    "study.catalogue",
    "study.code",
    "study.paper",
    "study.run_folder",
    "study.settings",
    "tasks",
    "tasks.folders",
)
LIGHT += tuple(f"spaces.{name}" for name in SPACES)
SCRIPTS = sorted(path for path in (ROOT / "scripts").glob("*.py") if path.name != "__init__.py")
LOCK = dict(re.findall(r"^([\w.-]+)==(.+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE))


# Which part of freedarts may import which others, lazily too. Each but `layers` may use `files` and `plugins` besides.
ARROWS = {
    "files": "",
    "plugins": "",
    "layers": "",
    "jobs": "",
    "spaces": "layers tasks",
    "genotype": "spaces",
    "costs": "genotype spaces",
    "baselines": "genotype spaces",
    "tasks": "jobs",
    "scores": "tasks",
    "search": "genotype jobs layers scores spaces tasks",
    "nasbench201": "spaces",
    "study": "nasbench201 scores spaces tasks",
    "training": "genotype jobs spaces study tasks",
    "architectures": "costs genotype jobs layers nasbench201 search spaces study tasks",
    "tables": "genotype spaces",
    "figures": "architectures genotype spaces",
    "report": "study",
    "results": "genotype study tables",
}
EVERYTHING = ("__init__", "__main__", "commands")  # what uses all of it, and is used by nothing in it


def imports(path) -> set[str]:
    """What a file imports, in functions and for type checkers too, as dotted names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def package(path) -> str:
    """The part of freedarts that a file belongs to."""
    return path.relative_to(ROOT / "freedarts").parts[0].removesuffix(".py")


def used(path) -> set[str]:
    """The other parts of freedarts that a file imports."""
    names = (name.split(".") for name in imports(path) if name.split(".")[0] == "freedarts")
    return {name[1] if len(name) > 1 else "__init__" for name in names} - {package(path)}


MODULES = sorted((ROOT / "freedarts").rglob("*.py"))


def test_each_package_imports_only_what_the_table_allows():
    wrong = {}
    for path in MODULES:
        if package(path) not in EVERYTHING:
            allowed = {*ARROWS[package(path)].split(), *(() if package(path) == "layers" else ("files", "plugins"))}
            if odd := used(path) - allowed:
                wrong[str(path.relative_to(ROOT))] = sorted(odd)
    assert wrong == {}


def test_no_arrow_is_allowed_that_is_not_needed():
    """So that the table says how it is."""
    for name, allowed in ARROWS.items():
        found = set().union(*(used(path) for path in MODULES if package(path) == name))
        assert set(allowed.split()) <= found, name


def test_packages_have_no_circle():
    TopologicalSorter({name: allowed.split() for name, allowed in ARROWS.items()}).prepare()


def test_nothing_imports_what_stands_above_the_package():
    for path in MODULES:
        assert not {name.split(".")[0] for name in imports(path)} & {"snakemake", "scripts", "rules"}, path


def test_no_test_module_is_imported():
    """What several share stands in tests/support.py and in the fixtures of conftest.py."""
    shared = {
        str(path): sorted(name for name in imports(path) if re.match(r"tests\.(.+\.)?(test_|conftest)", name))
        for path in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    }
    assert {path: names for path, names in shared.items() if names} == {}


def test_few_files_lie_directly_in_the_package():
    assert len(list((ROOT / "freedarts").glob("*.py"))) <= 7


# Each in a fork, so that Python starts once.
IMPORT_EACH = """
import importlib, os, sys

for name in sys.argv[1:]:
    if os.fork() == 0:
        importlib.import_module(f"freedarts.{name}")
        loaded = {"torch", "pandas", "sklearn"} & set(sys.modules)
        if loaded:
            print(name, *sorted(loaded), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, name
"""


@pytest.mark.long
def test_planning_and_derivation_load_no_torch():
    command = [sys.executable, "-c", IMPORT_EACH, *LIGHT]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_digest_of_code_runs_none_of_it():
    check = (
        "import sys, pathlib; from freedarts.study.code import code_digest as d; d(pathlib.Path('scripts/search.py'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{check}; print('torch' in sys.modules)"], cwd=ROOT, text=True, capture_output=True
    )
    assert done.stdout == "False\n"


@pytest.mark.long
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


def test_locked_versions_are_for_every_python_that_the_readme_allows():
    """A lock made with 3.11.7 held what 3.11.2, which Debian 12 has, could not install."""
    needed = {name: metadata(name)["Requires-Python"] or "" for name in LOCK}
    assert {name: python for name, python in needed.items() if not SpecifierSet(python).contains("3.11.0")} == {}


def test_lock_holds_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += project["project"]["optional-dependencies"]["slurm"]
    names = {re.match(r"[\w.-]+", entry)[0].lower() for entry in wanted}
    assert names <= {name.lower() for name in LOCK}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_has_the_name_of_a_rule_and_explains_itself(path, script, capsys):
    rules = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    assert f"\nrule {path.stem}:" in rules or f'f"{path.stem}_{{' in rules
    assert script(path.stem, "--help") == (0, "")
    assert "--output" in capsys.readouterr().out


def test_make_says_what_each_of_its_targets_does():
    targets = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    command = ["make", "--no-print-directory", "help"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    assert sorted(re.findall(r"^make (\S+) +\S", done.stdout, re.MULTILINE)) == sorted(targets)


@pytest.mark.parametrize("name", RULES)
def test_rule_states_what_it_needs(name):
    text = RULES[name]
    assert {"threads:", "mem_mb=", "runtime="} <= set(re.findall(r"threads:|mem_mb=|runtime=", text))
    assert ("--gpus " in text) == ("gpu=" in text)
    if name in SUBMITTED:
        assert "attempt:" in text, "what is submitted asks for more with each attempt"
        assert "retries:" not in text, "the snakemake inside a SLURM job would retry as well"
