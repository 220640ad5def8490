"""Names that a shell, or Snakemake, would take for something else (spaces, parentheses, quotes, braces), and names that
are not UTF-8."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from freedarts.files import InputError, read_json, run, write_text
from freedarts.results import status
from freedarts.study.settings import typed
from freedarts.tasks import folders
from tests.support import ROOT, RULES, copy_project, snakemake

SPACE = "mine {x} (1)/it's.py"
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


@pytest.mark.workflow
def test_workflow_in_a_checkout_with_an_odd_name_called_from_elsewhere(tmp_path):
    """With an image folder and a space whose names hold braces."""
    checkout = copy_project(tmp_path / "it's my copy (1) & more")
    here = tmp_path / "here"
    (here / SPACE).parent.mkdir(parents=True)
    shutil.copy2(ROOT / "examples" / "chain.py", here / SPACE)
    write_images(here / IMAGES, [str(number) for number in range(9)] + [CAFE])
    overlay = {
        "supernets": {"chain": {"space": SPACE, "channels": 8, "image_size": 32, "classes": 10}},
        "sources": {"drawn": {"kind": "random", "supernets": ["chain"], "seeds": [0]}},
        "datasets": {"flowers": {"folder": IMAGES, "image_size": 16, "test_fraction": 0.2}},
    }
    (here / "my {x} (1).yaml").write_text(yaml.safe_dump(overlay))
    made = ["plan.md", "status.md", "report-so-far.html", "figures/rules.svg", "genotypes/darts-8/darts-v1/seed0.json"]
    targets = ["data/flowers.json", *(f"results/{name}" for name in (*made, "genotypes/chain/drawn/seed0.json"))]
    call = ("--snakefile", str(checkout / "Snakefile"), "--configfile", "my {x} (1).yaml", "--cores", "2", "--")
    snakemake(here, *call, *targets)
    assert [target for target in targets if not (here / target).is_file()] == []
    assert "`snakemake --configfile 'my {x} (1).yaml' -- results/" in (here / "results/status.md").read_text()
    assert (here / "logs" / "plan.log").is_file()


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
