"""A score and a space of the user: the examples through the workflow, and files that are refused."""

import csv
import random
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml

from freedarts import baselines, genotype, scores, search, spaces
from freedarts.costs import costs
from freedarts.files import InputError
from freedarts.scores._derivatives import gradient
from tests.support import (
    GRASP,
    ROOT,
    SMALL,
    copy_project,
    fingerprint,
    freedarts,
    planned,
    random_scores,
    small_batch,
    snakemake,
)

CONFIG = yaml.safe_load((ROOT / "config" / "examples" / "own.yaml").read_text())
FISHER = CONFIG["scores"]["fisher-digits-b8"]["settings"]
SPACE = "examples/chain.py"
OPTIONS = {"channels": 8, "image_size": 16, "classes": 5}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """An example with a part of its text replaced, in the current folder."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)

    def edit(name: str, old: str, new: str) -> None:
        text = Path(name).read_text()
        assert old in text
        Path(name).write_text(text.replace(old, new))

    return edit


@pytest.mark.parametrize(
    "space", ["nasbench201", SPACE, *(pytest.param(name, marks=pytest.mark.long) for name in ("darts", "mobilenet"))]
)
def test_own_score_is_the_sum_of_squares_and_changes_nothing(space):
    score = scores.from_settings(FISHER | {"precision": "float64"})
    network = search.build(space, SMALL.get(space, OPTIONS), 0)
    images, labels = small_batch(space) if space in SMALL else small_batch("darts")
    before, state = fingerprint(network), torch.get_rng_state()
    objective, found = search.compute(network, score, (images, labels))
    again = search.compute(network, score, (images, labels))
    assert objective == again[0]
    assert all(torch.equal(found[group], again[1][group]) for group in found)
    for (was, *rest), (now, *others) in zip(before, fingerprint(network), strict=True):
        assert torch.equal(was, now)
        assert rest == others
    assert torch.equal(torch.get_rng_state(), state)
    assert {group: matrix.shape for group, matrix in found.items()} == {
        g: d.shape for g, d in network.gate_draws.items()
    }
    # Where all images are one, the sum over n of g_n^2 is n times that of the mean loss, which SNIP takes.
    same = images[:1].expand_as(images), labels[:1].expand_as(labels)
    _, snip = search.compute(
        network, scores.from_settings(FISHER | {"proxy": "snip", "batch_norm": "eval"}), same, "float64"
    )
    _, ours = search.compute(network, scores.from_settings(FISHER | {"batch_norm": "eval"}), same, "float64")
    for group in ours:
        torch.testing.assert_close(ours[group], len(images) * snip[group] ** 2, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("proxy", ["synflow", "snip", "grasp"])
def test_own_space_takes_every_score_and_its_genotypes_are_whole(proxy):
    space = spaces.load(SPACE)
    options = GRASP if proxy == "grasp" else {"proxy": proxy}
    score = scores.from_settings(FISHER | options | {"precision": "float64"})
    network = search.build(SPACE, OPTIONS, 0)
    _, found = search.compute(network, score, small_batch("darts"))
    assert found["layers"].shape == (4, 3)
    derived = spaces.derive(space, random_scores(space, random.Random(0)))
    assert genotype.parse(derived.to_json(), "here") == derived
    sizes = [costs(g, OPTIONS)["parameters"] for g in (baselines.largest(SPACE), baselines.uniform(SPACE, 1))]
    assert sizes[0] > sizes[1]
    logits, head = space.network(derived, **OPTIONS)(torch.randn(2, 3, 16, 16))
    assert (logits.shape, head) == ((2, 5), None)


def test_grasp_on_layers_of_any_kind_is_the_definition(edited):
    """Against central differences of the gradient."""
    edited(SPACE, "nn.ReLU()", "nn.Tanh()")
    score, network = scores.from_settings(GRASP), search.build(SPACE, OPTIONS, 0)
    images, labels = small_batch("darts")
    _, found = search.compute(network, score, (images, labels))
    with search.prepared(network, score, images, "float64") as (images, gates):
        loss = partial(F.cross_entropy, target=labels)
        slope = gradient(network, gates, images, loss)[1]["layers"]
        moved = [(gates["layers"] + step * slope).detach().requires_grad_() for step in (1e-5, -1e-5)]
        after = [gradient(network, {"layers": gate}, images, loss)[1]["layers"] for gate in moved]
        expected = -gates["layers"].detach() * (after[0] - after[1]) / 2e-5
    torch.testing.assert_close(found["layers"], expected, rtol=0, atol=1e-6 * expected.abs().max().item())


RETURN = "return losses.mean(), total"
WRONG_SCORES = [
    (RETURN, "return total", "score returns a dict, expected (objective, scores)"),
    (RETURN, "return 1.0, total", "objective is a float, expected a tensor"),
    (RETURN, "return losses.mean(), {}", "scores are [], expected a dictionary with the keys ['layers']"),
    (
        RETURN,
        "return losses.mean(), {g: t[:, :1] for g, t in total.items()}",
        "shape (4, 1), expected numbers of the shape (4, 3)",
    ),
    (
        RETURN,
        "return losses.mean(), {g: t / 0 for g, t in total.items()}",
        "is inf, though the network's values are finite",
    ),
    ("    losses =", "    network.classifier.weight.data.mul_(2)\n    losses =", "score changes classifier.weight"),
    ("    losses =", "    network.eval()\n    losses =", "score changes the mode of the network"),
    ("    losses =", "    gates['layers'].data.abs_()\n    losses =", "score changes the gates layers"),
    (
        "    losses =",
        "    network.layers[0][0][2].running_mean.add_(1)\n    losses =",
        "score changes layers.0.0.2.running_mean",
    ),
    ("    losses =", "    assert len(images) == 3, 'three'\n    losses =", "score raises AssertionError: three"),
    (
        "    losses =",
        "    network.no_such_part\n    losses =",
        "line 10: score raises AttributeError: 'Supernet' object",
    ),
    ("def score(", "def scores(", "expected a function score(network, gates, images, labels)"),
    ("def score(", "def score(more, ", "expected a function score(network, gates, images, labels)"),
    ("def score(", "def score((", "not valid Python"),
    (RETURN, f"{RETURN}\n\n\nOPTIONS = {{'step': ()}}", "OPTIONS: {'step': ()}, expected a dictionary of options"),
    (RETURN, f"{RETURN}\n\n\nSPACES: str = 'darts'", "SPACES: 'darts', expected a tuple"),
    (RETURN, f"{RETURN}\n\n\nMEGABYTES = '70'", "MEGABYTES: '70', expected a whole number"),
    (RETURN, f"{RETURN}\n\n\nMEGABYTES = len(F)", "MEGABYTES: expected values written out"),
    (
        "labels):\n",
        "labels, *, step=None):\n    OPTIONS\n\n\nOPTIONS = {'step': {'rate': '>0'}}\n\n\ndef rest(network):\n",
        "OPTIONS: step: {'rate': '>0'}",
    ),
    ("import torch\n", "import no_such_module\n", "cannot be imported (ModuleNotFoundError"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG_SCORES, ids=[message for *_, message in WRONG_SCORES])
def test_wrong_score_is_named_with_what_was_expected(edited, old, new, message):
    edited("examples/fisher.py", old, new)
    with pytest.raises(InputError, match=f"^examples/fisher.py: .*{re.escape(message)}"):
        search.search(SPACE, OPTIONS | {"image_size": 32, "classes": 10}, scores.from_settings(FISHER), 0)


WRONG_SPACES = [
    ("OPERATIONS[row.index(max(row))]", "'double'", "derive: widths[0]: 'double'; allowed: quarter"),
    ("OPERATIONS.index(width))", "7)", "derive: kept holds (0, 7) in layers"),
    ("def kept(", "def keeps(", "no kept; docs/extending.md"),
    ("torch.randn(LAYERS,", "torch.randn(3,", "gate_draws of the shapes {'layers': (3, 3)}, expected"),
    ("padding=1, bias=False", "padding=1", "has a bias or does not pad with zeros"),
    ('LARGEST = "whole"', 'LARGEST = "double"', "'double' in LARGEST or CANDIDATES is not in OPERATIONS"),
    ("def parse(", "def parse((", "not valid Python"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG_SPACES, ids=[message for *_, message in WRONG_SPACES])
def test_wrong_space_is_named_with_what_was_expected(edited, old, new, message):
    edited(SPACE, old, new)
    score = scores.from_settings(FISHER)
    with pytest.raises(InputError, match=f"^{SPACE}: .*{re.escape(message)}"):
        search.search(SPACE, OPTIONS | {"image_size": 32, "classes": 10}, score, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (OPTIONS | {"cells": 3}, "cells: unknown key; allowed: channels, image_size, classes"),
        ({"image_size": 16, "classes": 5}, "channels: no such key"),
        (OPTIONS | {"channels": "8"}, "channels: '8'; allowed: int"),
        (OPTIONS | {"channels": 6}, "channels: 6; allowed: multiples of 4, which has a quarter"),
    ],
)
def test_options_are_those_of_the_functions(options, message):
    assert list(spaces.option_faults(SPACE, options)) == [message]
    assert list(spaces.option_faults(SPACE, options, final=True)) == [message]


def test_missing_file_is_named():
    with pytest.raises(InputError, match=r"^no/such.py: No such file or directory, expected a Python file"):
        scores.from_settings(FISHER | {"proxy": "no/such.py"})
    assert next(spaces.option_faults("no/such.py", OPTIONS)).startswith("no/such.py: No such file")


@pytest.mark.long
def test_planning_runs_no_torch(edited):
    code = f"import sys; from freedarts import scores, spaces; scores.from_settings({FISHER!r})\n"
    code += f"spaces.load({SPACE!r}); print('torch' in sys.modules)"

    def run():
        return subprocess.run(
            [sys.executable, "-c", code], text=True, capture_output=True, env={"PYTHONPATH": str(ROOT)}
        )

    assert run().stdout == "False\n"
    edited(SPACE, "from dataclasses import dataclass\n", "import torch\nfrom dataclasses import dataclass\n")
    assert f"{SPACE}: imports torch, which planning would wait for" in run().stderr


def rows_of(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]


def row_of(project: Path, title: str, score: str) -> dict[str, str]:
    """The cells of a score in all parts of a table in tables.md."""
    text = (project / "results" / "own" / "tables.md").read_text(encoding="utf-8")
    row: dict[str, str] = {}
    for part in re.findall(r"(?:^\|.*\n)+", text.partition(f"## {title}\n")[2].partition("\n## ")[0], re.MULTILINE):
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()]
        (ours,) = [dict(zip(cells[0], found, strict=True)) for found in cells[2:] if found[1] == score]
        row |= ours
    return row


OVERLAY = ("--configfile", "config/examples/own.yaml")


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    """The project after the example, whose configuration has the name own."""
    project = copy_project(tmp_path_factory.mktemp("own") / "project")
    shutil.copytree(ROOT / "examples", project / "examples")
    snakemake(
        project,
        "results/own/report.html",
        "results/figures/scores/chain/fisher-digits-b8.svg",
        "results/figures/genotypes/chain/random-chain.svg",
        *OVERLAY,
    )
    return project


@pytest.mark.workflow
def test_commands_know_a_configuration_with_a_name(own):
    assert freedarts(own, "verify")[0] == 0
    status, said = freedarts(own, "status", *OVERLAY)
    assert status == 0
    assert said == (own / "results/own/status.md").read_text(encoding="utf-8")
    status, said = freedarts(own, "plan", *OVERLAY)
    assert status == 0
    assert said.startswith("# What results/own/tables.md still needs\n\nNothing: all is there and up to date.")
    assert said.endswith("row by row: results/own/plan.md\n")
    assert "<h1>own" in (own / "results/own/report.html").read_text(encoding="utf-8")
    assert not {path.name for path in (own / "results").iterdir()} & {
        "tables.md",
        "report.html",
        "status.md",
        "plan.md",
    }
    result = own / "results/search/chain/fisher-digits-b8/seed0/scores.json"
    kept = result.read_bytes()
    result.unlink()
    status, said = freedarts(own, "verify")
    assert status == 1
    assert "results/search/chain/fisher-digits-b8/seed0/scores.json" in said
    result.write_bytes(kept)


@pytest.mark.workflow
def test_examples_run_through_the_workflow(own, tmp_path):
    project = Path(shutil.copytree(own, tmp_path / "project"))
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in rows_of(ROOT / "docs" / "extending.md")]
    ours = row_of(project, "Searches", shown[2][1])
    assert [ours[column] for column in shown[0]] == shown[2]
    with (project / "results" / "own" / "tables.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shown = {(row["table"], row["value"]) for row in rows}
    assert {("search", "2 sound"), ("search", "fisher-digits-b8"), ("retraining", "digits-chain")} <= shown
    sources = ("fisher-digits-b8", "random-chain", "random-matched-chain")
    assert {(table, source) for table in ("stability", "costs") for source in sources} <= shown
    with (project / "examples" / "fisher.py").open("a") as file:
        file.write("\nEDITED = 1\n")
    names = planned(project, "results/own/tables.md", *OVERLAY)
    again = {name for name in names if name.startswith("results/search")}
    assert again == {f"results/search/chain/fisher-digits-b8/seed{seed}/scores.json" for seed in (0, 1)}
