"""Scripts as commands: bad input is one line that names the file and the place, and nothing is written."""

import json
import subprocess
import sys

import pytest

from freedarts.digest import code_digest
from freedarts.files import InputError, read_json, write_json, write_text
from tests.conftest import ROOT

SCORE = {"proxy": "synflow", "batch_norm": "train", "gates": "ones", "precision": "float32"}
SCORE |= {"positive_gates": True, "positive_weights": True}
SUPERNET = {"channels": 4, "cells_per_stage": 1, "image_size": 8, "classes": 5}
SETTINGS = {"space": "nasbench201", "supernet": SUPERNET, "score": SCORE}


def run(script: str, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", f"scripts.{script}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True)


def search(output, seed="0", settings=SETTINGS) -> subprocess.CompletedProcess:
    text = settings if isinstance(settings, str) else json.dumps(settings)
    return run("search", "--supernet", "n", "--score", "s", "--seed", seed, "--settings", text, "--output", output)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": "-1"}, "seed -1; allowed: 0 and above"),
        ({"settings": "{"}, "--settings: not valid JSON"),
        ({"settings": {"space": "darts"}}, "--settings: holds ['space'], expected the keys"),
        ({"settings": SETTINGS | {"space": "cars"}}, "unknown space 'cars'; known: darts, nasbench201"),
        ({"settings": SETTINGS | {"score": SCORE | {"proxy": "x"}}}, "proxy 'x'; allowed: synflow, snip"),
    ],
)
def test_bad_search_is_refused(tmp_path, changes, message):
    done = search(tmp_path / "scores.json", **changes)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_search_derive_and_a_file_cut_in_half(tmp_path):
    scores, genotype = tmp_path / "scores.json", tmp_path / "genotype.json"
    assert search(scores).returncode == 0
    assert run("derive", "--search", scores, "--output", genotype).returncode == 0
    genotype.unlink()
    scores.write_text(scores.read_text()[: len(scores.read_text()) // 2])
    done = run("derive", "--search", scores, "--output", genotype)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {scores}: not valid JSON")
    assert not genotype.exists()


@pytest.mark.parametrize("content", [None, '{"space": "darts"}', '{"space": "darts", "normal": 1, "reduce": 2}'])
def test_bad_genotypes_are_refused_by_every_script_that_reads_one(tmp_path, content):
    genotype, output = tmp_path / "genotype.json", tmp_path / "out" / "result.json"
    if content:
        genotype.write_text(content)
    network = {"channels": 2, "cells": 3, "stem_kind": "cifar", "image_size": 8, "classes": 5, "auxiliary": False}
    settings = json.dumps({"space": "darts", "network": network})
    for done in (
        run("publish", "--resource", genotype, "--output", output),
        run("cost", "--settings", settings, "--output", output, genotype),
    ):
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {genotype}: ")
        assert not output.parent.exists()


def test_failed_write_keeps_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file.json"
    write_text(path, "old")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"score": float("nan")})
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "absent.json")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_digest_follows_imports_and_nothing_else(tmp_path):
    script = tmp_path / "script.py"
    digests = set()
    for text in ("import json\n", "def f():\n    from freedarts.costs import costs\n", "from freedarts import files\n"):
        script.write_text(text)
        digests.add(code_digest(script))
    assert len(digests) == 3
    derive, search_py = ROOT / "scripts" / "derive.py", ROOT / "scripts" / "search.py"
    assert code_digest(derive) == code_digest(derive)
    assert code_digest(search_py) == code_digest(search_py, "freedarts.memory")  # search.py -> search -> memory
    assert code_digest(search_py) != code_digest(search_py, "freedarts.tables")
    assert code_digest(search_py, "freedarts.spaces.darts") != code_digest(search_py, "freedarts.spaces.nasbench201")
