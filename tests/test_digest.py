"""The digest of the code changes with every module that a job runs, and with no other."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.long

# script, the modules that are named with it, and modules that must not count
CASES = [
    (
        "search",
        ["spaces.darts", "scores.synflow"],
        ["spaces/nasbench201/networks", "training/__init__", "tables/__init__", "study/catalogue"],
    ),
    ("search", ["spaces.nasbench201", "scores.synflow"], ["spaces/darts/networks", "spaces/darts/__init__", "costs"]),
    (
        "derive",
        ["spaces.darts"],
        ["search/__init__", "training/__init__", "tables/__init__", "spaces/nasbench201/__init__"],
    ),
    ("publish", ["spaces.darts"], ["search/__init__", "training/__init__", "costs"]),
    ("cost", ["spaces.darts"], ["search/__init__", "training/__init__", "layers/frozen", "scores/synflow"]),
    (
        "retrain",
        ["spaces.darts", "tasks.digits"],
        ["search/__init__", "layers/frozen", "tasks/cifar", "tables/__init__"],
    ),
    ("retrain", ["spaces.darts", "tasks.cifar10"], ["tasks/digits", "tasks/imagefolder"]),
    ("tables", ["spaces.darts"], ["search/__init__", "training/__init__", "layers/frozen"]),
]
# Edits one module after the other in the current folder; the modules that change each case's digest.
EDIT_EACH = """
import json, sys
from functools import cache
from pathlib import Path
from freedarts.study import code
from freedarts.study.code import _parsed, code_digest

known = cache(lambda path, text: _parsed.__wrapped__(path))
code._parsed = lambda path: known(path, path.read_bytes())  # a driver reads each file once
cases = [[Path(script), *modules] for script, modules in json.loads(sys.argv[1])]
digests = lambda: [code_digest(*case) for case in cases]
before, changed = digests(), [[] for case in cases]
for path in sorted(Path("freedarts").rglob("*.py")):
    text = path.read_bytes()
    path.write_bytes(text + b"\\nEDITED = True\\n")
    for names, old, new in zip(changed, before, digests()):
        names += [str(path)] * (old != new)
    path.write_bytes(text)
assert digests() == before
print(json.dumps(changed))
"""
# The modules that each case's job has loaded when it starts; a fork each, so that torch is imported once.
LOADED = """
import importlib, json, os, sys, torch
from pathlib import Path

for number, (script, modules) in enumerate(json.loads(sys.argv[1])):
    if os.fork() == 0:
        for name in (script.removesuffix(".py").replace("/", "."), *modules):
            importlib.import_module(name)
        files = [Path(module.__file__) for name, module in sys.modules.items() if name.split(".")[0] == "freedarts"]
        text = json.dumps([str(path.relative_to(Path.cwd())) for path in files if path.stat().st_size])
        Path(f"loaded{number}.json").write_text(text)
        os._exit(0)
    assert os.wait()[1] == 0
print(json.dumps([json.loads(Path(f"loaded{i}.json").read_text()) for i in range(number + 1)]))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    for part in ("freedarts", "scripts"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def python(project, code: str) -> list:
    cases = [(f"scripts/{script}.py", [f"freedarts.{module}" for module in modules]) for script, modules, _ in CASES]
    command = [sys.executable, "-c", code, json.dumps(cases)]
    done = subprocess.run(command, cwd=project, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def changing(project) -> list[set[str]]:
    return [set(names) for names in python(project, EDIT_EACH)]


@pytest.fixture(scope="module")
def loaded(project) -> list[set[str]]:
    return [set(names) for names in python(project, LOADED)]


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=lambda number: "-".join([CASES[number][0], *CASES[number][1]])
)
def test_digest_changes_with_what_the_job_loads_and_with_no_other(changing, loaded, number):
    # The package's own file holds the version and loads modules by name; it must not run everything again.
    assert loaded[number] - {"freedarts/__init__.py"} <= changing[number]
    others = {f"freedarts/{name}.py" for name in CASES[number][2]}
    assert not others & changing[number]
    assert all((ROOT / name).exists() for name in others)


@pytest.mark.parametrize("script", ["search", "cost", "retrain"])
def test_networks_that_are_imported_inside_functions_count(changing, script):
    number = next(number for number, case in enumerate(CASES) if case[0] == script)
    assert {f"freedarts/{name}.py" for name in ("spaces/darts/networks", "layers/gated", "layers/layers")} <= changing[
        number
    ]


def test_digest_changes_with_the_script(project):
    digest = "import json, sys\nfrom pathlib import Path\nfrom freedarts.study.code import code_digest\n"
    digest += "print(json.dumps(code_digest(*map(Path, ['scripts/derive.py']))))"
    before = python(project, digest)
    script = project / "scripts" / "derive.py"
    text = script.read_text()
    script.write_text(text + "\nEDITED = True\n")
    assert python(project, digest) != before
    script.write_text(text.replace('"""Derive', '# no code\n\n"""Get'))
    assert python(project, digest) == before


def test_new_version_is_no_new_code(project):
    digest = (
        "import json\nfrom freedarts.study.code import code_digest\nprint(json.dumps(code_digest('freedarts.files')))"
    )
    before = python(project, digest)
    files = project / "freedarts" / "files.py"
    text = files.read_text()
    assert 'VERSION = "' in text
    files.write_text(text.replace('VERSION = "', 'VERSION = "9.'))
    assert python(project, digest) == before
    files.write_text(text)


def test_key_of_checkpoints_follows_network_and_training_alone(project):
    """Each module changed in turn: which of them would make a running training start anew."""
    changing = python(
        project,
        """
import json
from pathlib import Path
from functools import cache
from freedarts.study import code
from freedarts.training.retrain import training_code

parse = code._parsed.__wrapped__
known = cache(lambda path, text: parse(path))
code._parsed = lambda path: known(path, path.read_bytes())
before, changed = training_code("darts", "cifar10"), []
for path in sorted(Path("freedarts").rglob("*.py")):
    text = path.read_bytes()
    for edit in (b"\\n# a comment\\n", b"\\nEDITED = True\\n"):
        path.write_bytes(text + edit)
        if training_code("darts", "cifar10") != before:
            changed.append([str(path.relative_to("freedarts").with_suffix("")), b"#" in edit])
    path.write_bytes(text)
print(json.dumps(changed))
""",
    )
    assert {name for name, comment in changing if not comment} == {
        *("spaces/darts/networks", "layers/layers", "spaces/__init__", "spaces/darts/__init__"),
        *("tasks/__init__", "tasks/cifar", "tasks/cifar10", "training/__init__"),
        *("training/protocol", "training/processes", "training/steps"),
    }
    assert not [name for name, comment in changing if comment]
