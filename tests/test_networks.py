"""Networks: sizes, joined and frozen layers against the plain ones, final networks."""

import copy
from contextlib import suppress

import pytest
import torch
from torch import nn

from benchmarks.plain import plain_supernet
from freedarts import search
from freedarts.layers import layers
from freedarts.layers.frozen import frozen
from freedarts.spaces import darts as darts_space
from freedarts.spaces import nasbench201 as nasbench201_space
from freedarts.spaces.darts import networks as darts
from freedarts.spaces.nasbench201 import networks as nasbench201
from tests.support import SMALL

CANDIDATES = [
    *[(darts.operation, name, stride) for name in darts_space.OPERATIONS[1:] for stride in (1, 2)],
    *[(lambda n, c, _, affine: nasbench201.operation(n, c, affine), n, 1) for n in nasbench201_space.OPERATIONS[1:]],
]


@pytest.mark.parametrize(
    ("supernet", "parameters"),
    [
        ("darts-8", 1930618),
        ("darts-20", 4548730),
        ("darts-imagenet", 25512016),
        ("nasbench201", 1686106),
        ("mobilenet", 27684320),
    ],
)
def test_supernets_have_the_published_sizes(config, supernet, parameters):
    options = config["supernets"][supernet]
    network = search.build(options.pop("space"), options, 0)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize(("build", "name", "stride"), CANDIDATES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_joined_branches_compute_what_each_computes(build, name, stride, dtype):
    torch.manual_seed(0)
    branches = [build(name, 4, stride, False).to(dtype) for _ in range(3)]
    x = torch.randn(2, 4, 8, 8, dtype=dtype)
    expected = torch.stack([branch(x) for branch in branches], 1)
    state = torch.get_rng_state()
    joined = layers.join([copy.deepcopy(branch) for branch in branches]).to(dtype)
    assert torch.equal(torch.get_rng_state(), state)  # joining draws nothing
    out = joined(x).unflatten(1, (-1, 4))
    assert out.shape[1] == (1 if "pool" in name or (name == "skip_connect" and stride == 1) else 3)
    torch.testing.assert_close(out.expand_as(expected), expected)


@pytest.mark.parametrize("space", ["darts", "nasbench201"])
def test_supernet_equals_the_plain_evaluation(space):
    joined, plain = search.build(space, SMALL[space], 1), plain_supernet(space, SMALL[space], 1)
    torch.testing.assert_close(joined.gate_draws, plain.gate_draws, rtol=0, atol=0)
    images = torch.randn(3, *joined.image_shape, dtype=torch.float64)
    gates = {group: draws.double() for group, draws in joined.gate_draws.items()}
    torch.testing.assert_close(joined.double()(images, gates), plain.double()(images, gates), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 1},
        {"kernel_size": 1, "groups": 2},
        {"kernel_size": 1, "stride": 2},
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": 3, "padding": 1, "groups": 4},
        {"kernel_size": 5, "padding": 2, "stride": 2, "groups": 4},
        {"kernel_size": 5, "padding": 4, "dilation": 2, "groups": 4},
        {"kernel_size": 3, "padding": 2, "dilation": 2, "stride": 2, "groups": 4},
    ],
    ids=str,
)
def test_frozen_convolution_equals_the_plain_one(options, dtype):
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 4, bias=False, **options).to(dtype)
    x = torch.randn(2, 4, 9, 7, dtype=dtype, requires_grad=True)
    gradient = torch.randn_like(conv(x))
    expected = conv(x).detach(), *torch.autograd.grad(conv(x), x, gradient)
    with frozen(conv, "identity", lambda tensor: tensor):
        out = conv(x)
        actual = out.detach(), *torch.autograd.grad(out, x, gradient)
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("mode", ["identity", "eval", "train"])
def test_frozen_batch_norm(mode):
    bn = nn.BatchNorm2d(3)
    x = torch.randn(4, 3, 5, 5)
    bn(x)
    statistics = bn.running_mean.clone()
    with frozen(bn, mode, lambda tensor: tensor):
        out = bn(x)
    assert torch.equal(bn.running_mean, statistics)
    expected = {"identity": lambda: x, "eval": lambda: bn.eval()(x), "train": lambda: copy.deepcopy(bn).train()(x)}
    torch.testing.assert_close(out, expected[mode]())


def test_frozen_restores_everything_after_an_error():
    network = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.BatchNorm2d(3))
    network[1].weight.requires_grad_(False)
    before = [(t.data_ptr(), t.dtype, t.requires_grad) for t in (*network.parameters(), *network.buffers())]
    with suppress(RuntimeError), frozen(network, "train", lambda tensor: tensor.double().abs()):
        assert network[0].weight.dtype == torch.float64
        raise RuntimeError
    assert before == [(t.data_ptr(), t.dtype, t.requires_grad) for t in (*network.parameters(), *network.buffers())]
    assert all("forward" not in vars(module) for module in network)


GENOTYPE = darts_space.Genotype(
    (("sep_conv_3x3", 0), ("skip_connect", 1)) * 4, (("max_pool_3x3", 0), ("dil_conv_5x5", 1)) * 4
)


def test_auxiliary_head_and_drop_path_are_off_when_testing():
    network = darts.Network(GENOTYPE, **{**SMALL["darts"], "image_size": 32}, auxiliary=True)
    images = torch.randn(4, 3, 32, 32)
    logits, auxiliary = network(images)
    assert logits.shape == auxiliary.shape == (4, 5)
    network.drop_path = torch.tensor(0.5)
    network.eval()
    assert network(images)[1] is None
    state = torch.get_rng_state()
    assert torch.equal(network(images)[0], network(images)[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_drop_path_keeps_the_expectation_and_spares_identities():
    cells = darts.Network(GENOTYPE, **SMALL["darts"], auxiliary=False).cells
    torch.manual_seed(0)
    factors = darts.drop_factors([2, 1], 5000, torch.tensor(0.2))
    assert [len(of_cell) for of_cell in factors] == [2, 1]
    values = torch.cat(factors).flatten()
    assert set(values.tolist()) == {0.0, 1.25}
    assert values.mean() == pytest.approx(1, abs=0.02)
    kinds = {type(cell.operations[edge]) for cell in cells for edge in cell.droppable}
    assert nn.Identity not in kinds
    left = {type(cell.operations[edge]) for cell in cells for edge in range(8) if edge not in cell.droppable}
    assert left == {nn.Identity}


def test_nasbench201_network_of_the_empty_cell_gives_constant_logits():
    empty = nasbench201_space.from_index(1651)
    network = nasbench201.Network(empty, **SMALL["nasbench201"]).eval()
    logits, auxiliary = network(torch.randn(3, 3, 16, 16))
    assert auxiliary is None
    assert torch.equal(logits[0], logits[1])
