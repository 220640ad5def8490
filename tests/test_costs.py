"""Parameters and multiply-adds against every published figure."""

import json
from pathlib import Path

import pytest
import yaml

from freedarts import genotype
from freedarts.costs import costs
from freedarts.spaces import darts, nasbench201

ROOT = Path(__file__).parents[1]
PUBLISHED = yaml.safe_load((ROOT / "resources" / "costs.yaml").read_text(encoding="utf-8"))
FIGURES = ("parameters", "flops", "macs")


def resource(entry: dict):
    name = f"{entry['source']}/{entry['supernet']}/seed{entry['seed']}.json"
    return genotype.read(ROOT / "resources" / "genotypes" / name)


# One of each network and source: the quick run compares all in its table.
FIRST = {(entry["task"], entry["supernet"], entry["source"]): entry for entry in reversed(PUBLISHED["genotypes"])}


@pytest.mark.parametrize("entry", FIRST.values(), ids=map("/".join, FIRST))
def test_published_figure_is_exact(config, entry):
    ours = costs(resource(entry), config["tasks"][entry["task"]]["network"])
    theirs = {figure: entry[figure] for figure in FIGURES if figure in entry}
    assert {figure: ours[figure] for figure in theirs} == theirs


def test_resources_hold_every_published_figure(shared):
    facts = json.loads((shared / "facts" / "published.json").read_text())
    ours = sorted((e["task"], *(e.get(figure) for figure in FIGURES)) for e in PUBLISHED["genotypes"] if "flops" in e)
    theirs = sorted(
        (task, *(round(fact[key][name] * 1e6) for name in ("Params_M", "FLOPs_M", "MACs_M")))
        for fact in facts["genotypes"]
        for task, key in (("cifar10", "cifar_notebook"), ("imagenet", "imagenet_notebook"))
        if key in fact
    )
    assert ours == theirs
    assert len(ours) == 20
    means = {
        (notebook, round(values["FLOPs"], 7))
        for notebook, rows in facts["notebook_means_10_seeds"].items()
        for values in rows.values()
    }
    assert len(means) == len(PUBLISHED["ten_seed_means"]) == 6
    assert {flops for _, flops in means} == {entry["flops"] for entry in PUBLISHED["ten_seed_means"]}


def test_widths_that_were_trained_have_the_logged_sizes(config):
    dagger = resource({"source": "published-synflow", "supernet": "darts-20", "seed": 1})
    sizes = {"cifar10-c38": (3649872, 4130394), "cifar100-c38": (3704682, 4254414), "imagenet-c50": (5100275, 6365147)}
    for task, expected in sizes.items():
        ours = costs(dagger, config["tasks"][task]["network"])
        assert (ours["parameters"], ours["parameters_with_auxiliary"]) == expected


@pytest.mark.parametrize(
    ("index", "parameters", "flops"), [(6818, 0.615, 86.43), (10400, 0.886, 125.75), (1651, 0.073, 7.78)]
)
def test_nasbench201_notebook_figures(index, parameters, flops):
    options = {"channels": 16, "cells_per_stage": 5, "image_size": 32, "classes": 10}
    ours = costs(nasbench201.from_index(index), options)
    assert round(ours["parameters"] / 1e6, 3) == parameters
    assert round(ours["flops"] / 1e6, 2) == flops


def test_hand_computed_network():
    """Three cells of identities and pools: stem, preprocessing, two reductions, classifier; counted on paper."""
    cell = (("max_pool_3x3", 0), ("max_pool_3x3", 1)) * 4
    network = {"channels": 2, "cells": 3, "stem_kind": "cifar", "image_size": 8, "classes": 5, "auxiliary": False}
    ours = costs(darts.Genotype(cell, cell), network)
    stem = 6 * 27
    first = 2 * (6 * 2)  # both inputs are the stem, 6 wide, to 2
    second = 6 * 4 + 8 * 4  # the stem to 4, and the first cell's 8
    third = 8 * 8 + 16 * 8  # the first cell halved, to 8, and the second cell's 16
    linear = 32 * 5
    norms = 2 * (6 + 2 * 2 + 2 * 4 + 2 * 8)
    assert ours["parameters"] == stem + first + second + third + norms + linear + 5
    convolutions = stem * 64 + first * 64 + second * 64 + 8 * 8 * 16 + 16 * 8 * 16
    assert ours["flops"] == convolutions + linear + 5
