"""Supernets and final networks: the release's sizes, joined layers, and the parts of training that are random."""

import random

import pytest
import torch
from torch import nn

from benchmarks.plain import plain_supernet
from freedarts import genotype, search, spaces
from freedarts.networks import darts, nasbench201
from freedarts.networks.layers import join
from freedarts.spaces import nasbench201 as nasbench201_space
from tests.cases import CONFIG, RESOURCES, SUPERNETS, build_small, random_genotype, small

PARAMETERS = {"darts-8": 1_930_618, "darts-20": 4_548_730, "darts-imagenet": 25_512_016, "nasbench201": 1_686_106}


@pytest.mark.parametrize("supernet", SUPERNETS)
def test_supernet_has_the_release_s_parameters(supernet):
    options = dict(CONFIG["supernets"][supernet])
    with torch.device("meta"):
        network = spaces.load(options.pop("space")).supernet(**options)
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[supernet]


@pytest.mark.parametrize("supernet", SUPERNETS)
def test_gates_have_a_row_per_edge_and_a_column_per_operation(supernet):
    module = spaces.load(CONFIG["supernets"][supernet]["space"])
    draws = build_small(supernet).gate_draws
    assert {group: tuple(matrix.shape) for group, matrix in draws.items()} == {
        group: (edges, len(module.OPERATIONS)) for group, edges in module.GATES.items()
    }


def candidates() -> dict[str, callable]:
    """A builder for every operation and stride that occurs in a supernet."""
    found = {}
    for name in spaces.load("darts").OPERATIONS[1:]:
        for stride in (1, 2):
            found[f"darts {name} stride {stride}"] = lambda c, n=name, s=stride: darts.operation(n, c, s, affine=False)
    for name in nasbench201_space.OPERATIONS[1:]:
        found[f"nasbench201 {name}"] = lambda c, n=name: nasbench201.operation(n, c, affine=False)
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("candidate", candidates())
def test_joined_branches_equal_the_separate_ones(candidate, dtype):
    torch.manual_seed(0)
    branches = [candidates()[candidate](6).to(dtype) for _ in range(3)]
    x = torch.randn(2, 6, 9, 8, dtype=dtype)
    expected = torch.stack([branch(x) for branch in branches], 1)
    found = join(branches).to(dtype)(x).unflatten(1, (-1, 6)).expand_as(expected)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12 if dtype == torch.float64 else 1e-5)
    if any(isinstance(module, nn.Conv2d) for module in branches[0].modules()):
        assert not torch.allclose(expected[:, 0], expected[:, 1])  # the branches differ: a mix-up would show


def test_one_branch_is_itself():
    branch = darts.operation("sep_conv_3x3", 4, 1, affine=False)
    assert join([branch]) is branch


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("supernet", SUPERNETS)
def test_supernet_equals_each_edge_by_itself(supernet, mode):
    space, options = small(supernet)
    plain, joined = plain_supernet(space, options, 7).double(), search.build(space, options, 7).double()
    assert all(torch.equal(plain.gate_draws[group], draws) for group, draws in joined.gate_draws.items())
    torch.manual_seed(0)
    images = torch.randn(2, *joined.image_shape, dtype=torch.float64)
    gates = {group: draws.double() for group, draws in joined.gate_draws.items()}
    logits = [network.train(mode == "train")(images, gates) for network in (plain, joined)]
    assert torch.allclose(*logits, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("supernet", SUPERNETS)
def test_every_gate_but_none_counts(supernet):
    network = build_small(supernet).double().eval()
    gates = {group: draws.double().requires_grad_() for group, draws in network.gate_draws.items()}
    torch.manual_seed(0)
    network(torch.randn(1, *network.image_shape, dtype=torch.float64), gates)[0, 0].backward()
    for gate in gates.values():
        assert (gate.grad[:, 0] == 0).all()
        assert (gate.grad[:, 1:] != 0).all()


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("supernet", SUPERNETS)
def test_supernet_is_a_function_of_the_seed(supernet, seed):
    first, again, other = (build_small(supernet, number) for number in (seed, seed, seed + 1))
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    assert all(torch.equal(first.gate_draws[group], again.gate_draws[group]) for group in first.gate_draws)


FINAL = {
    "darts, cifar": ("darts", {"channels": 4, "cells": 5, "stem_kind": "cifar", "image_size": 32}),
    "darts, imagenet": ("darts", {"channels": 4, "cells": 5, "stem_kind": "imagenet", "image_size": 224}),
    "nasbench201": ("nasbench201", {"channels": 4, "cells_per_stage": 1, "image_size": 32}),
}


@pytest.mark.parametrize("auxiliary", [True, False])
@pytest.mark.parametrize("kind", FINAL)
def test_final_networks_have_an_auxiliary_head_in_training_only(kind, auxiliary):
    space, options = FINAL[kind]
    options = options | {"classes": 7} | ({"auxiliary": auxiliary} if space == "darts" else {})
    network = spaces.load(space).network(random_genotype(space, random.Random(0)), **options)
    images = torch.randn(2, *network.image_shape)
    with torch.no_grad():
        logits, extra = network.train()(images)
        assert logits.shape == (2, 7)
        assert (extra is not None) == (auxiliary and space == "darts")
        assert extra is None or extra.shape == (2, 7)
        logits, extra = network.eval()(images)
        assert (logits.shape, extra) == ((2, 7), None)
        assert torch.equal(logits, network(images)[0])


def dropping_cell(operations: list[tuple[str, int]]) -> darts.Cell:
    return darts.Cell(tuple(operations), 4, 4, 4, reduction=False, reduced_before=False)


def test_drop_path_drops_whole_images_and_keeps_the_expectation():
    cell = dropping_cell([("max_pool_3x3", 0), ("avg_pool_3x3", 1)] * 4)
    pool = cell.operations[0]
    torch.manual_seed(0)
    x = torch.rand(4000, 4, 3, 3) + 1
    ratio = cell.edge(pool, x, 0.3) / pool(x)
    kept = ratio[:, 0, 0, 0] > 0
    assert torch.allclose(ratio, kept.float().view(-1, 1, 1, 1).expand_as(ratio) / 0.7)
    assert ratio.mean().item() == pytest.approx(1, abs=4 * (0.3 / 0.7 / 4000) ** 0.5)


def test_drop_path_spares_identities_and_evaluation():
    torch.manual_seed(0)
    x = torch.rand(50, 4, 8, 8)
    cell = dropping_cell([("skip_connect", 0), ("max_pool_3x3", 1)] * 4)
    assert torch.equal(cell.edge(cell.operations[0], x, 0.9), x)
    state = torch.get_rng_state()
    assert torch.equal(cell.eval()(x, x, 0.9), cell(x, x, 0.0))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(cell.train()(x, x, 0.9), cell(x, x, 0.0))


@pytest.mark.parametrize(
    ("kernel", "dilation", "name"), [(3, 1, "sep_conv_3x3"), (5, 1, "sep_conv_5x5"), (3, 2, "dil_conv_3x3")]
)
def test_strided_operations_halve_what_enters_a_reduction_cell(kernel, dilation, name):
    operation = darts.operation(name, 4, 2, affine=True)
    depthwise = next(module for module in operation if isinstance(module, nn.Conv2d))
    assert operation(torch.randn(2, 4, 8, 8)).shape == (2, 4, 4, 4)
    assert (depthwise.kernel_size[0], depthwise.dilation[0], depthwise.groups) == (kernel, dilation, 4)


def test_darts_cell_is_its_genotype():
    found = genotype.read(RESOURCES / "genotypes/published-synflow/darts-20/seed1.json")
    torch.manual_seed(0)
    cell = darts.Cell(found.reduce, 4, 8, 6, reduction=True, reduced_before=False)
    before, last = torch.randn(2, 4, 8, 8), torch.randn(2, 8, 8, 8)
    states = [cell.preprocess0(before), cell.preprocess1(last)]
    for node in range(4):
        outputs = []
        for index in (2 * node, 2 * node + 1):
            outputs.append(cell.operations[index](states[found.reduce[index][1]]))
        states.append(outputs[0] + outputs[1])
    assert torch.equal(cell(before, last, 0.0), torch.cat(states[2:], 1))
    assert cell(before, last, 0.0).shape == (2, 24, 4, 4)


def test_nasbench201_cell_leaves_none_edges_out():
    operations = ("nor_conv_3x3", "none", "skip_connect", "none", "none", "avg_pool_3x3")
    torch.manual_seed(0)
    cell = nasbench201.Cell(operations, 4)
    x = torch.randn(2, 4, 8, 8)
    convolution, identity, pool = cell.operations
    assert isinstance(identity, nn.Identity)
    assert torch.equal(cell(x), pool(convolution(x)))


def test_nasbench201_cell_without_a_path_gives_zeros():
    cell = nasbench201.Cell(("nor_conv_3x3",) * 3 + ("none",) * 3, 4)
    assert torch.equal(cell(torch.randn(2, 4, 8, 8)), torch.zeros(2, 4, 8, 8))
    network = spaces.load("nasbench201").network(nasbench201_space.from_index(1651), 4, 1, 32, 10)
    logits, _ = network(torch.randn(3, 3, 32, 32))
    assert logits.isfinite().all()
