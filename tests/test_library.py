"""The library where there is no checkout around it: installed by pip, used in an empty folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from freedarts.nasbench201 import accuracy
from tests.support import ROOT, pip_install

pytestmark = pytest.mark.long

HOUSE = ("layers", "spaces", "scores", "search", "training", "tasks", "nasbench201")
IMPORT_ALL = """
import importlib, pkgutil, sys
import freedarts

for house in sys.argv[1:]:
    package = importlib.import_module(f"freedarts.{house}")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
print(freedarts.__file__)
"""
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|"
LOOK_UP = f"""
import sys
from freedarts import nasbench201

print(nasbench201.accuracy("{CELL}", "cifar100"), nasbench201.__file__)
print(*{{"torch", "pandas", "pyarrow", "scipy"}} & {{*sys.modules}})
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    return pip_install(tmp_path_factory.mktemp("installed"))


def run(installed: Path, folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    command = [sys.executable, *arguments]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(command, cwd=folder, text=True, capture_output=True, env=environment, check=check)


def test_every_module_of_the_library_is_imported(installed, tmp_path):
    done = run(installed, tmp_path, "-c", IMPORT_ALL, *HOUSE)
    assert Path(done.stdout.strip()).parent == installed / "freedarts"


def test_examples_of_the_page_run(installed, tmp_path):
    page = MarkdownIt("commonmark").parse((ROOT / "docs" / "library.md").read_text(encoding="utf-8"))
    cells = [token.content for token in page if token.type == "fence" and token.info == "python"]
    assert len(cells) > 5
    (tmp_path / "config").mkdir()
    shutil.copy(ROOT / "config" / "config.yaml", tmp_path / "config")  # which one example reads
    done = run(installed, tmp_path, "-c", "\n".join([*cells, "print(freedarts.__file__)"]), check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).parent == installed / "freedarts"


def test_accuracy_is_looked_up_without_what_takes_long_to_import(installed, tmp_path):
    """benchmarks/nasbench201.py has the time."""
    first, module, *slow = run(installed, tmp_path, "-c", LOOK_UP).stdout.split()
    assert (float(first), slow) == (accuracy(CELL, "cifar100"), [])
    assert Path(module).parents[1] == installed / "freedarts"


def test_command_that_needs_the_project_says_so(installed, tmp_path):
    """It does what it can without it."""
    assert "commands" in run(installed, tmp_path, "-m", "freedarts", "--help").stdout
    done = run(installed, tmp_path, "-m", "freedarts", "reference", "--output", "page.md", check=False)
    assert done.returncode == 1
    assert "call it from a clone" in done.stderr
    assert len(done.stderr.splitlines()) == 1
