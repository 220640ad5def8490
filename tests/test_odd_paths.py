"""Names that a shell, or Snakemake, would take for something else (spaces, parentheses, quotes, braces), and names that
are not UTF-8."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from PIL import Image

from freedarts import nasbench201
from freedarts.files import InputError, read_json, run, write_text
from freedarts.results import status
from freedarts.study.settings import typed
from freedarts.tasks import folders
from tests.nasbench201 import file as generated
from tests.support import ROOT, RULES, SNIP, TINY_TASK, command, copy_project, snakemake

SPACE = "mine {x} (1)/it's.py"
PROXY = "mine {x} (1)/{score}.py"
BENCHMARK = "mine {x} (1)/NAS-Bench-{201}'s.pth"
IMAGES = "my {x} 'fl' $y \"z\" 100%"
CAFE = os.fsdecode(b"caf\xe9")


def write_images(folder: Path, classes: list[str]) -> None:
    for number, name in enumerate(2 * classes):
        image = folder / name / f"{name}{number}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            Image.new("L", (8, 8), 12 * number).save(file, "PNG")


@pytest.mark.parametrize("name", RULES)
def test_every_path_in_a_shell_line_is_quoted(name):
    """An f-string of a params function is none; `option` quotes there."""
    shell = RULES[name].partition("shell:")[2]
    named = r"input|output|log|params\.(?:target|tables|epochs|numbers|source|space)"
    paths = re.findall(rf"\{{((?:{named})\b[^}}]*)\}}", shell)
    assert "log:q" in paths
    assert [path for path in paths if not path.endswith(":q")] == []
    assert not re.search(r'f"--.*\{input', RULES[name])


TASK = {
    **TINY_TASK,
    "space": SPACE,
    "dataset": "flowers",
    "network": {"channels": 8, "image_size": 16, "classes": 10},
    "protocol": TINY_TASK["protocol"] | {"epochs": 1, "batch_size": 8},
}
SCORE = SNIP | {"proxy": PROXY, "precision": "float32", "data": {"dataset": "flowers", "batch_size": 4}}
SMALL = TINY_TASK["network"] | {"image_size": 16}
OVERLAY = {
    "nasbench201": {"file": BENCHMARK},
    "architecture_scores": {"fisher": {"proxy": PROXY, "network": SMALL, "data": SCORE["data"]}},
    "supernets": {"chain": {"space": SPACE, "channels": 8, "image_size": 16, "classes": 10}},
    "scores": {"fisher": {"settings": SCORE}},
    "sources": {"random": {"kind": "random", "supernets": ["chain"], "seeds": [0]}},
    "datasets": {"flowers": {"folder": IMAGES, "image_size": 16, "test_fraction": 0.2}},
    "tasks": {"tiny": TASK},
    "search": [{"supernets": ["chain"], "scores": ["fisher"], "seeds": 1}],
    "correlation": [],
    "costs": [{"tasks": ["tiny"], "supernets": ["chain"], "sources": ["fisher", "random"]}],
    "retrain": [{"task": "tiny", "supernet": "chain", "source": "fisher", "seeds": [0], "runs": 1}],
}
EVALUATION = "results/evaluate/tiny/chain/fisher/seed0/run0.json"
RATED = "results/nasbench201/scores/fisher/20/seed0.json"
TARGETS = ("results/report.html", EVALUATION, RATED, nasbench201.TABLE)


def started(folder: Path, *arguments: object, status: int = 0) -> str:
    """What Snakemake says in a process of its own, whose jobs a shell starts, with files for the own group."""
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "backslashreplace"}
    done = subprocess.run(command(*arguments), cwd=folder, umask=0o027, **output)
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.mark.long
@pytest.mark.workflow
def test_workflow_in_a_checkout_with_an_odd_name_called_from_elsewhere(tmp_path, config):
    """With an image folder, a space, a score and a benchmark file whose names hold braces."""
    checkout = copy_project(tmp_path / "a (b) 'c' $d & more")
    here = tmp_path / "here"
    for example, name in (("chain", SPACE), ("fisher", PROXY)):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / "examples" / f"{example}.py", here / name)
    generated.write_legacy(here / BENCHMARK, generated.contents(generated.INDICES))
    write_images(here / IMAGES, [str(number) for number in range(9)] + [CAFE])
    (here / "my {x} (1).yaml").write_text(yaml.safe_dump(OVERLAY))
    call = ("--snakefile", checkout / "Snakefile", "--cores", "2", "--configfile")
    started(here, *call, "my {x} (1).yaml", "--", "results/plan.md", "results/status.md")
    few = {"sources": {"darts-v2": config["sources"]["darts-v2"]}}  # the figures of all take long
    (checkout / "config" / "config.yaml").write_text(yaml.safe_dump(config | few))
    started(here, *call, "my {x} (1).yaml", "--", *TARGETS)
    assert [target for target in TARGETS if not (here / target).is_file()] == []
    assert "`snakemake --configfile 'my {x} (1).yaml' -- results/" in (here / "results/status.md").read_text()
    again = started(tmp_path, *call, here / "my {x} (1).yaml", "--directory", here, "--", *TARGETS)
    assert "Nothing to be done" in again
    made = [path for name in ("checkpoints", "data", "logs", "results") for path in (here / name).rglob("*")]
    kinds = {path.suffix for path in made if path.is_file()}
    assert {".json", ".csv", ".md", ".tex", ".html", ".svg", ".dot", ".safetensors", ".pt", ".parquet", ".log"} <= kinds
    assert {(path, oct(path.stat().st_mode & 0o777)) for path in made} == {
        (path, oct(0o750 if path.is_dir() else 0o640)) for path in made
    }


@pytest.mark.workflow
def test_checkout_and_configuration_may_have_names_that_are_not_utf8(tmp_path):
    """From elsewhere the checkout may not, as its path would stand in shell lines."""
    checkout = copy_project(tmp_path / CAFE)
    (checkout / f"{CAFE}.yaml").write_text("retrain: []\n")
    call = ("--cores", "2", "--configfile", f"{CAFE}.yaml", "--", "results/status.md")
    said = started(checkout, *call)
    assert "1 of 1 done" in said
    assert "Traceback" not in said + started(checkout, "-n", *call)
    assert "`snakemake --configfile 'caf\\udce9.yaml' -- results/" in (checkout / "results/status.md").read_text()
    said = started(tmp_path, "--snakefile", checkout / "Snakefile", "-n", status=1)
    assert f"snakefile: {tmp_path}/caf\\udce9: Snakemake takes braces for wildcards and writes UTF-8; allowed" in said
    assert "Traceback" not in said


@pytest.mark.workflow
def test_checkout_with_braces_in_its_path_is_refused(tmp_path):
    checkout = copy_project(tmp_path / "my {x}")
    said = snakemake(tmp_path, "-n", "--snakefile", str(checkout / "Snakefile"), check=False)
    assert f"snakefile: {checkout}: Snakemake takes braces for wildcards and writes UTF-8; allowed: a path in" in said


def test_images_whose_names_are_not_utf8_are_read(script, tmp_path):
    write_images(tmp_path / "flowers", [CAFE, "rose"])
    settings = {"folder": "flowers", "image_size": 16, "test_fraction": 0.5}
    done = script("read_images", "--settings", json.dumps(settings), "--output", "data/flowers.json")
    assert done == (0, "")
    assert read_json(tmp_path / "data/flowers.json")["train"] == {CAFE: 1, "rose": 1}


def test_digests_of_names_in_utf8_are_as_before(tmp_path):
    write_images(tmp_path, ["café", "rose"])
    names = sorted(f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in tmp_path.glob("*/*"))
    digest = hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
    assert folders.listing(str(tmp_path), 0.5).sha256 == digest


def test_messages_pages_and_what_is_printed_have_such_names_escaped(tmp_path, capsys):
    write_images(tmp_path, [CAFE, "rose"])
    (tmp_path / CAFE / f"{CAFE}.txt").touch()
    with pytest.raises(InputError) as caught:
        folders.listing(str(tmp_path), 0.5)
    assert str(caught.value).startswith(f"{tmp_path}/caf\\udce9/caf\\udce9.txt: not an image by its name")
    write_text(tmp_path / "page.md", f"{CAFE}: é")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "caf\\udce9: é"
    run(lambda: print(f"{CAFE}: é"))
    assert capsys.readouterr().out == "caf\\udce9: é\n"
    assert status.command([f"{CAFE}.yaml"], []) == "snakemake --configfile 'caf\\udce9.yaml' --"
    assert typed({"folder": CAFE}) == {"folder": CAFE}
