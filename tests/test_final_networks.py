"""Final networks: what a genotype becomes, in training and out of it."""

import random

import pytest
import torch
from torch import nn

from freedarts import genotype, spaces
from freedarts.spaces.darts import networks as darts
from freedarts.spaces.nasbench201 import networks as nasbench201
from tests.support import ROOT, random_scores

FINAL = {
    "cifar": ("darts", {"channels": 4, "cells": 5, "stem_kind": "cifar", "image_size": 32}),
    "imagenet": ("darts", {"channels": 4, "cells": 5, "stem_kind": "imagenet", "image_size": 224}),
    "nasbench201": ("nasbench201", {"channels": 4, "cells_per_stage": 1, "image_size": 32}),
}


@pytest.mark.parametrize("auxiliary", [True, False])
@pytest.mark.parametrize("kind", FINAL)
def test_auxiliary_logits_come_in_training_only(kind, auxiliary):
    name, options = FINAL[kind]
    space = spaces.load(name)
    options = options | {"classes": 7} | ({"auxiliary": auxiliary} if name == "darts" else {})
    network = space.network(space.derive(random_scores(space, random.Random(0))), **options)
    images = torch.randn(2, *network.image_shape)
    with torch.no_grad():
        logits, extra = network.train()(images)
        assert logits.shape == (2, 7)
        assert (extra is not None) == (auxiliary and name == "darts")
        assert extra is None or extra.shape == (2, 7)
        logits, extra = network.eval()(images)
        assert (logits.shape, extra) == ((2, 7), None)
        torch.testing.assert_close(network(images[:1])[0], logits[:1])  # images do not see each other


def test_darts_cell_is_its_genotype():
    found = genotype.read(ROOT / "resources/genotypes/published-synflow/darts-20/seed1.json")
    torch.manual_seed(0)
    cell = darts.Cell(found.reduce, 4, 8, 6, reduction=True, reduced_before=False)
    before, last = torch.randn(2, 4, 8, 8), torch.randn(2, 8, 8, 8)
    states = [cell.preprocess0(before), cell.preprocess1(last)]
    for node in range(4):
        pair = (2 * node, 2 * node + 1)
        first, second = (cell.operations[index](states[found.reduce[index][1]]) for index in pair)
        states.append(first + second)
    assert torch.equal(cell(before, last), torch.cat(states[2:], 1))
    assert states[2].shape == (2, 6, 4, 4)
    for (_, source), operation in zip(found.reduce, cell.operations, strict=True):
        strides = {module.stride for module in operation.modules() if hasattr(module, "stride")}
        assert any(stride in ((2, 2), 2) for stride in strides) == (source < 2)


def pools() -> darts.Cell:
    return darts.Cell((("max_pool_3x3", 0), ("skip_connect", 1)) * 4, 4, 4, 4, reduction=False, reduced_before=False)


def test_drop_path_drops_whole_images():
    cell = pools()
    torch.manual_seed(0)
    x = torch.rand(4000, 4, 3, 3)
    (factors,) = darts.drop_factors([4], 4000, torch.tensor(0.3))
    kept = (factors > 0).float()
    torch.testing.assert_close(factors, kept / 0.7)
    assert kept.mean((1, 2, 3, 4)).tolist() == pytest.approx([0.7] * 4, abs=4 * (0.3 * 0.7 / 4000) ** 0.5)
    pooled, other = cell.operations[0](cell.preprocess0(x)), cell.preprocess1(x)
    torch.testing.assert_close(cell(x, x, factors), torch.cat([pooled * factor + other for factor in factors], 1))


def test_drop_path_in_bfloat16_keeps_the_expectation():
    """1 / 0.9 itself, rounded to bfloat16, is too small by 0.16 %."""
    torch.manual_seed(0)
    cell, x = pools(), (1 + torch.rand(400, 1, 16, 16)).bfloat16()
    cell.preprocess0 = cell.preprocess1 = torch.nn.Identity()
    (factors,) = darts.drop_factors([4], 400, torch.tensor(0.1))
    dropped, whole = cell(x, 0 * x, factors), cell(x, 0 * x)
    assert dropped.dtype == torch.bfloat16
    kept = factors[:, :, 0, 0, 0].T > 0
    assert 0.8 < kept.float().mean() < 0.97
    assert (dropped[kept].double().sum() / whole[kept].double().sum()).item() == pytest.approx(1 / 0.9, rel=2e-4)


def test_nasbench201_cell_leaves_none_edges_out():
    torch.manual_seed(0)
    cell = nasbench201.Cell(("nor_conv_3x3", "none", "skip_connect", "none", "none", "avg_pool_3x3"), 4)
    x = torch.randn(2, 4, 8, 8)
    convolution, identity, pool = cell.operations
    assert isinstance(identity, nn.Identity)
    assert torch.equal(cell(x), pool(convolution(x)))


def test_nasbench201_cell_sums_all_edges():
    operations = ("nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
    cell = nasbench201.Cell(operations, 4)
    x = torch.randn(2, 4, 8, 8)
    a, b, c, d, e, f = cell.operations
    first = a(x)
    second = b(x) + c(first)
    torch.testing.assert_close(cell(x), d(x) + e(first) + f(second))


def test_nasbench201_cell_without_a_path_gives_zeros():
    cell = nasbench201.Cell(("nor_conv_3x3",) * 3 + ("none",) * 3, 4)
    assert torch.equal(cell(torch.randn(2, 4, 8, 8)), torch.zeros(2, 4, 8, 8))
