"""Paths that a shell, or Snakemake, would take for something else: spaces, parentheses, quotes, braces."""

import re
import shutil

import pytest
import yaml
from PIL import Image

from tests.support import ROOT, RULES, copy_project, snakemake

SPACE = "mine {x} (1)/it's.py"
IMAGES = "my {x} 'fl' $y \"z\" 100%"


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
    for number in range(20):
        image = here / IMAGES / str(number % 10) / f"{number}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 12 * number).save(image)
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
    assert f"snakefile: {checkout}: Snakemake takes braces for wildcards; allowed: a path without" in said
