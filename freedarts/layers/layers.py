"""Layers that the spaces share, and `join`, which lets like layers with one input run as one layer."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def relu_conv_bn(c_in: int, c_out: int, kernel: int, stride: int, padding: int, affine: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(c_out, affine=affine),
    )


class FactorizedReduce(nn.Module):
    """Halve height and width with two 1x1 convolutions, the second on pixels shifted by one (DARTS)."""

    def __init__(self, c_in: int, c_out: int, affine: bool):
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(c_in, c_out // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(c_in, c_out - c_out // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(c_out, affine=affine)
        self.branches = 1

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        if x.is_contiguous(memory_format=torch.channels_last):
            # The backward pass of oneDNN (torch 2.14, CPU) writes out of bounds for a 1x1 convolution with a stride on
            # such images of an even size: leave out the pixels beforehand.
            halves = [F.conv2d(x[:, :, i::2, i::2], conv.weight) for i, conv in enumerate((self.even, self.odd))]
        else:
            halves = [self.even(x), self.odd(x[:, :, 1:, 1:])]
        # Each branch's two halves must end up side by side.
        return self.bn(torch.cat([half.unflatten(1, (self.branches, -1)) for half in halves], 2).flatten(1, 2))


class JoinedDepthwise(nn.Conv2d):
    """Depthwise convolutions of several *branches* side by side, on one shared input: (N, C, H, W) -> (N, branches * C,
    H, W)."""

    branches: int

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.repeat(1, self.branches, 1, 1))


def join(branches: Sequence[nn.Module]) -> nn.Module:
    """One module whose output channels are, branch after branch, what each of the like *branches* computes from one
    shared input.

    Layers before the first convolution see the shared input and run once; a branch without any convolution or
    trainable layer is the same in all branches and comes back once, with C instead of len(branches) * C channels.
    Batch norms with trainable parameters are not joined.
    """
    first, n = branches[0], len(branches)
    if n == 1 or not any(isinstance(module, nn.Conv2d) for module in first.modules()):
        return first
    if isinstance(first, FactorizedReduce):
        first.even, first.odd = (_join_convs([getattr(b, half) for b in branches], 1) for half in ("even", "odd"))
        first.bn = _widen(first.bn, n)
        first.branches = n
        return first
    layers: list[nn.Module] = []
    shared = True
    for parts in zip(*branches, strict=True):
        layer = parts[0]
        if isinstance(layer, nn.Conv2d):
            if shared and layer.groups > 1:
                layer = _join_convs(parts, n, JoinedDepthwise)
                layer.branches = n
            else:
                layer = _join_convs(parts, 1 if shared else n)
            shared = False
        elif isinstance(layer, nn.BatchNorm2d) and not shared:
            layer = _widen(layer, n)
        layers.append(layer)
    return nn.Sequential(*layers)


def _join_convs(convs: Sequence[nn.Conv2d], copies: int, kind: type[nn.Conv2d] = nn.Conv2d) -> nn.Conv2d:
    """Convolutions side by side: on one shared input (*copies* 1) or each on its own slice of the channels."""
    first = convs[0]
    with torch.device("meta"):  # draws nothing from the random stream
        joined = kind(
            first.in_channels * copies,
            first.out_channels * len(convs),
            first.kernel_size,
            first.stride,
            first.padding,
            first.dilation,
            first.groups * copies,
            bias=False,
        )
    joined.weight = nn.Parameter(torch.cat([conv.weight.detach() for conv in convs]))
    return joined


def _widen(bn: nn.BatchNorm2d, branches: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(bn.num_features * branches, bn.eps, bn.momentum, affine=False)
