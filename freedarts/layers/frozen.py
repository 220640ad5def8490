"""Layers for scoring: weights are constants, so nothing is kept that only their gradient needs, and a batch may have
tangents (freedarts.layers.tangents).

PyTorch keeps the input of every convolution, and in double precision falls back to a loop over the groups; both are
what a supernet spends its memory and time on.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from freedarts.layers import tangents

IMAGES = 16  # that a convolution's backward pass takes at a time


class _Convolution(Function):
    """conv2d that keeps the weight and the input's shape, not the input."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, *options) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.shape, ctx.options = x.shape, options
        return F.conv2d(x, weight, None, *options)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (weight,) = ctx.saved_tensors
        # In parts: PyTorch's own computation makes an input of ctx.shape that it does not need, and copies in a layout
        # of its own, which for a large batch is most of the memory in use.
        out = gradient.new_empty(ctx.shape)
        for start in range(0, len(out), IMAGES):
            part, slopes = out[start : start + IMAGES], gradient[start : start + IMAGES]
            part.copy_(torch.nn.grad.conv2d_input(part.shape, weight, slopes, *ctx.options))
        return out, *[None] * 5


class _Depthwise(Function):
    """Depthwise convolution, one multiply-add of whole feature maps for each kernel position."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.shape, ctx.options = x.shape, (stride, padding, dilation)
        padded = F.pad(x, [padding] * 4)
        size = [(side - dilation * (weight.shape[-1] - 1) - 1) // stride + 1 for side in padded.shape[2:]]
        out = x.new_zeros(*x.shape[:2], *size)
        for tap, window in _taps(weight, padded, size, stride, dilation):
            out.addcmul_(tap, window)
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (weight,) = ctx.saved_tensors
        stride, padding, dilation = ctx.options
        n, c, height, width = ctx.shape
        padded = gradient.new_zeros(n, c, height + 2 * padding, width + 2 * padding)
        for tap, window in _taps(weight, padded, gradient.shape[2:], stride, dilation):
            window.addcmul_(tap, gradient)
        return padded[:, :, padding : padding + height, padding : padding + width], *[None] * 4


def _taps(weight: Tensor, padded: Tensor, size, stride: int, dilation: int):
    """Each kernel position's weights (C, 1, 1) and the view of the input that it multiplies."""
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            rows, columns = (slice(at * dilation, at * dilation + stride * (n - 1) + 1, stride)
                             for at, n in zip((i, j), size, strict=True))  # fmt: skip
            yield weight[:, 0, i, j].view(-1, 1, 1), padded[:, :, rows, columns]


def _pointwise(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """1x1 convolution as a matrix product: (groups, out, in) @ (N, groups, in, H * W)."""
    product = weight.flatten(1).unflatten(0, (groups, -1)) @ x.unflatten(1, (groups, -1)).flatten(3)
    return product.flatten(1, 2).unflatten(2, x.shape[2:])


def _convolution(conv: nn.Conv2d):
    weight = conv.weight
    if conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.padding == (0, 0):
        return partial(_pointwise, weight=weight, groups=conv.groups)
    if conv.groups == conv.in_channels == conv.out_channels and weight.dtype == torch.float64:
        options = (conv.stride[0], conv.padding[0], conv.dilation[0])
        return lambda x: _Depthwise.apply(x, weight, *options)
    options = (conv.stride, conv.padding, conv.dilation, conv.groups)
    return lambda x: _Convolution.apply(x, weight, *options)


def _layer(module: nn.Module, norm: str, activation: str, batch: int | None) -> Callable[[Tensor], Tensor] | None:
    """What replaces the module's `forward`, if anything has to."""
    match module:
        case nn.Conv2d():
            return _convolution(module)
        case nn.BatchNorm2d():
            return (lambda x: x) if norm == "identity" else lambda x: tangents.batch_norm(x, batch, module, norm)
        case nn.ReLU():
            return lambda x: tangents.rectify(x, batch)
        case nn.ReLU6():
            bound = math.inf if activation == "relu" else 6.0
            return lambda x: tangents.rectify(x, batch, bound)
        case nn.MaxPool2d():
            return lambda x: tangents.max_pool(x, batch, module)
        case nn.Linear():
            return lambda x: tangents.linear(x, batch, module)
    return None


@contextmanager
def frozen(
    network: nn.Module,
    batch_norm: str,
    prepare: Callable[[Tensor], Tensor],
    activation: str = "built",
    batch: int | None = None,
) -> Iterator[None]:
    """Inside, *network* is a function of its input and gates alone, with prepare(tensor) in place of every
    floating-point parameter and buffer. Afterwards it is as it was.

    batch_norm: `train` (statistics of the batch), `eval` (running statistics) or `identity` (left out).
    activation: `relu` takes the bound off ReLU6, `built` leaves it. Convolutions must have no bias. batch: with more
    rows than that, those after it are tangents of the first; None: there are none.
    """
    tensors = [tensor for tensor in (*network.parameters(), *network.buffers()) if tensor.is_floating_point()]
    found = [(tensor.data, tensor.requires_grad) for tensor in tensors]
    replaced: list[nn.Module] = []
    try:
        for tensor in tensors:
            tensor.requires_grad_(False)
            tensor.data = prepare(tensor.data)
        for module in network.modules():
            if layer := _layer(module, batch_norm, activation, batch):
                module.forward = layer
                replaced.append(module)
        yield
    finally:
        for module in replaced:
            del module.forward
        for tensor, (data, requires_grad) in zip(tensors, found, strict=True):
            tensor.data = data
            tensor.requires_grad_(requires_grad)
