"""Layers on a stack: the values of a batch and, in as many rows after them, their tangents.

A tangent is a derivative along a direction in the gates. The gradient of a directional derivative is the Hessian times
that direction, so one backward pass through a network on stacks gives a Hessian-vector product, with nothing kept but
what a backward pass keeps. A linear layer without bias takes a stack as it stands; the others are here. *batch* is the
number of values; without rows after them a layer is the ordinary one.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

BLOCK = 2**16  # numbers that a sum of products takes at a time


class _Rectify(Function):
    """ReLU, or ReLU6 with *ceiling* 6, on a stack that has tangents."""

    @staticmethod
    def forward(ctx, x: Tensor, ceiling: float) -> Tensor:
        (value, tangent), out = x.chunk(2), torch.empty_like(x)
        rectified, passed = out.chunk(2)
        torch.clamp(value, 0, ceiling, out=rectified)
        mask = (value > 0).logical_and_(value < ceiling)  # one byte for two floats: no layer keeps its input
        torch.where(mask, tangent, tangent.new_zeros(()), out=passed)
        ctx.save_for_backward(mask)
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (mask,) = ctx.saved_tensors
        both = gradient.unflatten(0, (2, -1))
        return torch.where(mask, both, both.new_zeros(())).flatten(0, 1), None


def rectify(x: Tensor, batch: int | None, ceiling: float = math.inf) -> Tensor:
    if batch is None or len(x) == batch:
        return F.relu(x) if math.isinf(ceiling) else F.relu6(x)
    return _Rectify.apply(x, ceiling)


class _Normalise(Function):
    """Batch norm with the batch's statistics, on a stack that has tangents; weight and bias (C, 1, 1) are constants.

    With m the mean over images and positions, v the variance, s = (v + eps)^-1/2, y = s (x - m(x)) and u the tangent of
    x, the tangent of y is s (u - m(u) - y m(y u)); `backward` is the gradient of both. All in place: weight and bias as
    layers of their own would keep three more stacks alive.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        (value, tangent), out = x.chunk(2), torch.empty_like(x)
        normal, along = out.chunk(2)
        mean, scale = x.new_empty(2, x.shape[1])
        torch.native_batch_norm(value, None, None, None, None, True, 0.0, eps, out=(normal, mean, scale))
        scale = scale.view(-1, 1, 1)
        torch.sub(tangent, _mean(tangent), out=along).addcmul_(normal, _mean(normal, tangent), value=-1)
        if ctx.needs_input_grad[0]:  # copies: views would keep all of x and out
            ctx.save_for_backward(normal.clone(), tangent.clone(), scale, weight)
        if weight is not None:
            normal.mul_(weight).add_(bias)
        along.mul_(scale if weight is None else scale * weight)
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor):
        y, tangent, s, weight = ctx.saved_tensors
        slope = s if weight is None else s * weight  # all below is linear in the gradient
        p, q = gradient.chunk(2)
        mean, along, mean_q, along_q = _mean(tangent), _mean(y, tangent), _mean(q), _mean(y, q)
        out = torch.empty_like(gradient)
        to_value, to_tangent = out.chunk(2)
        # The gradient with respect to y: p, and what y contributes to its own tangent.
        torch.addcmul(p, q, s * along, value=-1, out=to_value).addcmul_(tangent, s * along_q, value=-1)
        inner = _mean(y, p) - 2 * s * along * along_q
        inner += s * (_mean(q, tangent) - mean * mean_q - along * along_q)  # y's tangent is proportional to s
        to_value.sub_(_mean(p) - s * (along * mean_q + along_q * mean)).addcmul_(y, inner, value=-1).mul_(slope)
        torch.addcmul(q, y, along_q, value=-1, out=to_tangent).sub_(mean_q).mul_(slope)
        return out, None, None, None


def _mean(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Mean of x, or of x * y, over images and positions: (C, 1, 1)."""
    if y is None:
        return x.mean((0, 2, 3)).view(-1, 1, 1)
    return (_sums(x, y, (0, 2, 3)) / (x.numel() // x.shape[1])).view(-1, 1, 1)


def batch_norm(x: Tensor, batch: int | None, bn: nn.BatchNorm2d, mode: str) -> Tensor:
    """mode: `train` (statistics of the batch) or `eval` (running statistics)."""
    # Without the running statistics a training-mode call has nothing to update.
    statistics = (bn.running_mean, bn.running_var) if mode == "eval" else (None, None)
    if batch is None or len(x) == batch:
        return F.batch_norm(x, *statistics, bn.weight, bn.bias, mode == "train", 0.0, bn.eps)
    weight, bias = (None, None) if bn.weight is None else (p.view(-1, 1, 1) for p in (bn.weight, bn.bias))
    if mode == "train":
        return _Normalise.apply(x, weight, bias, bn.eps)
    scale = (bn.running_var + bn.eps).rsqrt().view(-1, 1, 1)
    out = torch.cat([x[:batch] - bn.running_mean.view(-1, 1, 1), x[batch:]]) * scale
    return out if weight is None else torch.cat([out[:batch] * weight + bias, out[batch:] * weight])


def max_pool(x: Tensor, batch: int | None, pool: nn.MaxPool2d) -> Tensor:
    """The tangent of a maximum is that of the largest value."""
    options = (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    if batch is None or len(x) == batch:
        return F.max_pool2d(x, *options)
    value, index = F.max_pool2d(x[:batch], *options, return_indices=True)
    tangent = x[batch:].flatten(2).gather(2, index.flatten(2)).view_as(value)
    return torch.cat([value, tangent])


def linear(x: Tensor, batch: int | None, layer: nn.Linear) -> Tensor:
    value, tangent = F.linear(x[:batch], layer.weight, layer.bias), x[len(x) if batch is None else batch :]
    return torch.cat([value, F.linear(tangent, layer.weight)]) if len(tangent) else value


def add_scaled(total: Tensor, gate: Tensor, x: Tensor) -> None:
    """Add gate * x to total, for gates (edges,), x (N, edges, ...) or, the same on all edges, (N, 1, ...), and total
    (N, edges, ...); or a stack of each: (2, edges), (2 * N, ...)."""
    if gate.dim() == 1:
        total.addcmul_(_by_edge(gate, x), x)
        return
    (gate, slope), (value, tangent) = (_by_edge(part, x) for part in gate), x.chunk(2)
    to_value, to_tangent = total.chunk(2)
    to_value.addcmul_(gate, value)
    to_tangent.addcmul_(gate, tangent).addcmul_(slope, value)


def scaled_gradients(gradient: Tensor, gate: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """That of x and that of the gate, from the *gradient* of a sum with their product (`add_scaled`)."""
    if gate.dim() == 1:
        return _of_shape(x, _by_edge(gate, x) * gradient), _by_edges(gradient, x)
    (scale, slope), (value, tangent), (p, q) = (_by_edge(part, x) for part in gate), x.chunk(2), gradient.chunk(2)
    unscaled = torch.empty_like(gradient)
    to_value, to_tangent = unscaled.chunk(2)
    torch.mul(scale, p, out=to_value).addcmul_(slope, q)
    torch.mul(scale, q, out=to_tangent)
    slopes = torch.stack([_by_edges(p, value) + _by_edges(q, tangent), _by_edges(q, value)])
    return _of_shape(x, unscaled), slopes


def _by_edge(gate: Tensor, x: Tensor) -> Tensor:
    return gate.view(1, -1, *[1] * (x.dim() - 2))


def _of_shape(x: Tensor, gradient: Tensor) -> Tensor:
    return gradient.sum(1, keepdim=True) if gradient.shape[1] > x.shape[1] else gradient


def _by_edges(gradient: Tensor, x: Tensor) -> Tensor:
    """The sum of gradient * x for each edge."""
    return _sums(gradient, x, dims=(0, *range(2, x.dim())))


def _sums(x: Tensor, y: Tensor, dims: tuple[int, ...]) -> Tensor:
    """The sum of x * y over *dims*: products of as many images at a time as stay in the processor's cache."""
    images = max(1, BLOCK // x[0].numel())
    return sum((a * b).sum(dims) for a, b in zip(x.split(images), y.split(images), strict=True))
