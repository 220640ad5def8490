"""Convolution and batch norm for scoring equal PyTorch's, and a network is as it was afterwards, whatever happens."""

from itertools import count, product

import pytest
import torch
from torch import nn

from freedarts import search
from freedarts.layers import frozen as frozen_layers
from freedarts.layers import tangents
from freedarts.layers.frozen import frozen
from freedarts.layers.layers import JoinedDepthwise
from tests.support import SMALL

CONVOLUTIONS = [
    {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    for kernel, stride, padding, dilation, groups in product((1, 3, 5), (1, 2, 3), (0, 1, 4), (1, 2), (1, 2, 6))
    if 9 + 2 * padding > dilation * (kernel - 1)
]


def gradients(network: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Output, and the gradient of a function of it with respect to *x*."""
    x = x.clone().requires_grad_()
    output = network(x)
    weights = torch.linspace(-1, 2, output.numel(), dtype=x.dtype).view_as(output)
    return output.detach(), torch.autograd.grad((output * weights).sum(), x)[0]


@pytest.mark.parametrize("block", [frozen_layers.BLOCK, 400])  # an image is smaller, or larger
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_convolutions_equal_torch_s(dtype, block, monkeypatch):
    monkeypatch.setattr(frozen_layers, "BLOCK", block)
    torch.manual_seed(0)
    exact = {"rtol": 1e-12, "atol": 1e-12} if dtype == torch.float64 else {}
    x = torch.randn(2, 6, 9, 10, dtype=dtype)
    for options in CONVOLUTIONS:
        for out in (6, 12):  # 6 of 6 groups is depthwise, 12 is not
            conv = nn.Conv2d(6, out, bias=False, dtype=dtype, **options)
            expected = gradients(conv, x)
            with frozen(conv, "train", torch.clone):
                found = gradients(conv, x)
            case = f"{options}, {out}: "
            torch.testing.assert_close(found, expected, **exact, msg=lambda text, case=case: case + text)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_joined_depthwise_convolutions_equal_torch_s_on_copies_of_their_input(dtype):
    torch.manual_seed(0)
    exact = {"rtol": 1e-12, "atol": 1e-12} if dtype == torch.float64 else {}
    x = torch.randn(2, 4, 9, 10, dtype=dtype)
    for options in CONVOLUTIONS:
        conv = JoinedDepthwise(12, 12, bias=False, dtype=dtype, **{**options, "groups": 12})
        conv.branches = 3
        expected = gradients(conv, x)
        with frozen(conv, "train", torch.clone):
            found = gradients(conv, x)
        torch.testing.assert_close(found, expected, **exact, msg=lambda text, options=options: f"{options}: {text}")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
def test_depthwise_convolutions_take_any_layout(stride, padding):
    conv = nn.Conv2d(4, 4, 3, stride, padding, groups=4, bias=False, dtype=torch.float64)
    images = torch.randn(2, 4, 8, 6, dtype=torch.float64)
    for x in (images.to(memory_format=torch.channels_last), images.transpose(2, 3)):
        expected = gradients(conv, x)
        with frozen(conv, "train", torch.clone):
            found = gradients(conv, x)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("channels", [4, 16])
def test_input_of_another_width_is_refused_as_by_torch(dtype, groups, channels):
    conv, x = nn.Conv2d(8, 8, 3, groups=groups, bias=False, dtype=dtype), torch.randn(2, channels, 8, 8, dtype=dtype)
    with frozen(conv, "train", torch.clone), pytest.raises(RuntimeError, match="channels"):
        conv(x)


@pytest.mark.parametrize("options", [{"padding": 1}, {"padding": 4, "stride": 2, "dilation": 2}], ids=str)
def test_depthwise_convolutions_have_second_derivatives(options):
    """For supernets that take no stacks."""
    conv = nn.Conv2d(3, 3, 3, groups=3, bias=False, dtype=torch.float64, **options)
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    with frozen(conv, "train", torch.clone):
        assert torch.autograd.gradgradcheck(lambda x: conv(x) ** 2, x)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("mode", ["train", "eval", "identity"])
def test_batch_norm_equals_torch_s_and_leaves_the_statistics(mode, affine):
    torch.manual_seed(0)
    bn = nn.BatchNorm2d(6, affine=affine).double()
    bn.running_mean.uniform_()
    bn.running_var.uniform_(1, 2)
    x = torch.randn(4, 6, 5, 5, dtype=torch.float64)
    before = {name: tensor.clone() for name, tensor in bn.state_dict().items()}
    with frozen(bn, mode, torch.clone):
        found = gradients(bn, x)
    torch.testing.assert_close(dict(bn.state_dict()), before, rtol=0, atol=0)
    expected = gradients(nn.Identity() if mode == "identity" else bn.train(mode == "train"), x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_batch_norm_of_a_stack_is_the_value_and_its_slope_and_so_is_the_gradient(mode, affine):
    bn = nn.BatchNorm2d(3, affine=affine).double().requires_grad_(False)
    for tensor in filter(torch.is_floating_point, bn.state_dict().values()):
        tensor.uniform_(0.5, 2)
    x, tangent = torch.randn(2, 4, 3, 5, 5, dtype=torch.float64, requires_grad=True)

    def plain(x):
        if mode == "train":  # written out: PyTorch's has no third derivative
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        else:
            variance, mean = bn.running_var, bn.running_mean
        out = (x - mean.view(-1, 1, 1)) / (variance + bn.eps).sqrt().view(-1, 1, 1)
        return out * bn.weight.view(-1, 1, 1) + bn.bias.view(-1, 1, 1) if affine else out

    expected = torch.cat(torch.autograd.functional.jvp(plain, x, tangent, create_graph=True))
    found = tangents.batch_norm(torch.cat([x, tangent]), 4, bn, mode)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    for gradient, wanted in zip(
        *(torch.autograd.grad((out * weights).sum(), (x, tangent)) for out in (found, expected)), strict=True
    ):
        torch.testing.assert_close(gradient, wanted)


def test_every_floating_point_tensor_is_prepared():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    with frozen(network, "eval", lambda tensor: torch.full_like(tensor, 2, dtype=torch.float64)):
        for name, tensor in network.state_dict().items():
            assert tensor.dtype == (torch.int64 if name == "1.num_batches_tracked" else torch.float64)
            assert name == "1.num_batches_tracked" or (tensor == 2).all()
        assert not any(parameter.requires_grad for parameter in network.parameters())


def snapshot(network: nn.Module) -> dict:
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    return {
        "tensors": {
            name: (id(tensor), tensor.data_ptr(), tensor.dtype, tensor.requires_grad, tensor.tolist())
            for name, tensor in tensors.items()
        },
        "modules": {
            name: (module.training, "forward" in vars(module), len(module._forward_hooks))
            for name, module in network.named_modules()
        },
    }


class Fault(Exception):  # noqa: N818, only to be told from real errors
    pass


@pytest.mark.long
@pytest.mark.parametrize("fault", ["none", "inside", "while it prepares"])
@pytest.mark.parametrize("space", SMALL)
def test_network_is_as_it_was(space, fault):
    network = search.build(space, SMALL[space], 0)
    next(network.parameters()).requires_grad_(False)
    next(network.children()).eval()
    before, calls = snapshot(network), count()

    def prepare(tensor: torch.Tensor) -> torch.Tensor:
        if fault == "while it prepares" and next(calls) == 5:
            raise Fault
        return tensor.double().abs()

    def use() -> None:
        with frozen(network, "train", prepare):
            gates = {group: draws.double() for group, draws in network.gate_draws.items()}
            logits = network(torch.ones(1, *network.image_shape, dtype=torch.float64), gates)
            assert logits.dtype == torch.float64
            if fault == "inside":
                raise Fault

    if fault == "none":
        use()
    else:
        with pytest.raises(Fault):
            use()
    assert snapshot(network) == before
