"""Layers for scoring: weights are constants, so nothing is kept that only their gradient needs, and a batch may have
tangents (freedarts.layers.tangents).

PyTorch keeps the input of every convolution, and in double precision falls back to a loop over the groups; both are
what a supernet spends its memory and time on.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from freedarts.layers import tangents
from freedarts.layers.layers import JoinedDepthwise

IMAGES = 16  # that a convolution's backward pass takes at a time
BLOCK = 2**16  # numbers that a depthwise convolution takes at a time


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
    """Depthwise convolution, a multiply-add for each kernel position; or several side by side on one shared input, as
    *weight* says: (branches * C, 1, k, k) on (N, C, H, W).

    Of each feature map the padded rows lie one after the other, so that what a kernel position multiplies is the whole
    map, shifted; what it adds behind the end of a row is not part of the output. With a stride the pixels lie sorted by
    their remainders first. Images are taken in blocks that stay in the processor's cache.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.shape, ctx.options = x.shape, (stride, padding, dilation)
        height, width = ((n + 2 * padding - dilation * (weight.shape[-1] - 1) - 1) // stride + 1 for n in x.shape[2:])
        out = x.new_empty(len(x), len(weight), height, width)
        margins, columns, shifts = _shifts(x.shape, weight, *ctx.options)
        for maps, branches in _blocks(x, out):
            padded = F.pad(maps, margins)
            padded = (padded if stride == 1 else F.pixel_unshuffle(padded, stride)).reshape(*maps.shape[:2], -1)
            total = padded.new_empty(*maps.shape[:2], height * columns)
            reached = total[..., : total.shape[-1] - columns + width]
            for sums, taps in zip(branches, _taps(weight, x.shape[1]), strict=True):
                for place, (tap, shift) in enumerate(zip(taps, shifts, strict=True)):
                    shifted = padded.narrow(2, shift, reached.shape[-1])
                    reached.addcmul_(tap, shifted) if place else torch.mul(tap, shifted, out=reached)
                sums.copy_(total.unflatten(2, (height, columns))[..., :width])
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (weight,) = ctx.saved_tensors
        stride, padding, _ = ctx.options
        channels, height, width = ctx.shape[1:]
        out = gradient.new_empty(ctx.shape)
        margins, columns, shifts = _shifts(ctx.shape, weight, *ctx.options)
        rows = (sum(margins[2:]) + height) // stride
        for to_maps, branches in _blocks(out, gradient):
            padded = out.new_zeros(len(to_maps), channels, stride**2 * rows * columns)
            for slopes, taps in zip(branches, _taps(weight, channels), strict=True):
                spread = F.pad(slopes, (0, columns - slopes.shape[-1])).flatten(2)
                reached = spread[..., : spread.shape[-1] - columns + slopes.shape[-1]]
                for tap, shift in zip(taps, shifts, strict=True):
                    padded.narrow(2, shift, reached.shape[-1]).addcmul_(tap, reached)
            padded = padded.view(len(to_maps), -1, rows, columns)
            maps = padded if stride == 1 else F.pixel_shuffle(padded, stride)
            to_maps.copy_(maps[..., padding : padding + height, padding : padding + width])
        return out, *[None] * 4


def _shifts(shape: torch.Size, weight: Tensor, stride: int, padding: int, dilation: int):
    """What F.pad adds to each map, so that height and width are multiples of the stride; the columns of a padded row of
    one remainder; and for each kernel position how far the pixels that it takes are from the first."""
    bottom, right = (padding + -(n + 2 * padding) % stride for n in shape[2:])
    columns = (padding + shape[3] + right) // stride
    pixels = (padding + shape[2] + bottom) // stride * columns  # of one remainder
    shifts = []
    for row, column in product(range(0, dilation * weight.shape[-1], dilation), repeat=2):
        remainder = row % stride * stride + column % stride
        shifts.append(remainder * pixels + row // stride * columns + column // stride)
    return (padding, right, padding, bottom), columns, shifts


def _blocks(maps: Tensor, branches: Tensor):
    """A block of images after the other: of maps (N, C, H, W), and of each of the *branches* (N, branches * C, ...)."""
    branches = branches.unflatten(1, (-1, maps.shape[1]))
    size = max(1, BLOCK // max(maps[0].numel(), branches[0, 0].numel()))
    for start in range(0, len(maps), size):
        block = slice(start, start + size)
        yield maps[block], branches[block].unbind(1)


def _taps(weight: Tensor, channels: int) -> list[tuple[Tensor, ...]]:
    """The weights of each kernel position, (channels, 1), of each branch."""
    return [branch.flatten(1).t().unsqueeze(2).unbind() for branch in weight.split(channels)]


def _pointwise(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """1x1 convolution as a matrix product: (groups, out, in) @ (N, groups, in, H * W)."""
    product = weight.flatten(1).unflatten(0, (groups, -1)) @ x.unflatten(1, (groups, -1)).flatten(3)
    return product.flatten(1, 2).unflatten(2, x.shape[2:])


def _convolution(conv: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    weight, options = conv.weight, (conv.stride, conv.padding, conv.dilation, conv.groups)
    branches = conv.branches if isinstance(conv, JoinedDepthwise) else 1

    def depthwise(x: Tensor) -> Tensor:
        if x.shape[1] * branches != conv.in_channels:
            raise RuntimeError(f"{x.shape[1]} channels, expected {conv.in_channels // branches} for {conv}")
        return _Depthwise.apply(x, weight, conv.stride[0], conv.padding[0], conv.dilation[0])

    def copied(x: Tensor) -> Tensor:
        return x if branches == 1 else x.repeat(1, branches, 1, 1)

    if conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.padding == (0, 0):
        return lambda x: _pointwise(copied(x), weight, conv.groups)
    if conv.groups == conv.in_channels == conv.out_channels and weight.dtype == torch.float64:
        return depthwise
    return lambda x: _Convolution.apply(copied(x), weight, *options)


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
