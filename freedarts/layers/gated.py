"""Gate-weighted sums of operations, and the cell that the supernets of the cell-based spaces make of them."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from freedarts.layers import tangents
from freedarts.layers.layers import join


def gated_sum(x: Tensor, operations: Sequence[nn.Module], gates: Tensor, channels: int) -> Tensor:
    """Sum of gate * operation(x) over *operations*, for several edges at once.

    An operation gives (N, edges * channels, H, W), or (N, channels, H, W) when it is the same on all edges. gates:
    (edges, operations), or a stack (2, edges, operations) if x is one. Returns (N, edges, channels, H, W). For a batch
    nothing but x is kept for the backward pass, which computes one operation after the other again.
    """
    if len(x) > 1:
        return _GatedSum.apply(x, gates, operations, channels)
    total = None
    for operation, gate in zip(operations, gates.unbind(-1), strict=True):
        out, gate = operation(x).unflatten(1, (-1, channels)), gate.view(1, -1, 1, 1, 1)
        total = gate * out if total is None else total.addcmul(gate, out)
    return total


class _GatedSum(Function):
    @staticmethod
    def forward(ctx, x: Tensor, gates: Tensor, operations: Sequence[nn.Module], channels: int) -> Tensor:
        ctx.save_for_backward(x, gates)
        ctx.operations, ctx.channels = operations, channels
        total = None
        for operation, gate in zip(operations, gates.unbind(-1), strict=True):
            out = operation(x).unflatten(1, (-1, channels))
            if total is None:
                total = out.new_zeros(len(out), gates.shape[-2], *out.shape[2:])
            tangents.add_scaled(total, gate, out)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        x, gates = ctx.saved_tensors
        x, slopes = x.detach().requires_grad_(ctx.needs_input_grad[0]), torch.empty_like(gates)
        for column, operation in enumerate(ctx.operations):
            with torch.set_grad_enabled(x.requires_grad):
                out = operation(x)
            unscaled, slopes[..., column] = tangents.scaled_gradients(
                gradient, gates[..., column], out.detach().unflatten(1, (-1, ctx.channels))
            )
            if out.requires_grad:
                torch.autograd.backward(out, unscaled.flatten(1, 2), inputs=[x])
        return x.grad, slopes, None, None


class GatedCell(nn.Module):
    """A directed acyclic graph in which every edge is the gate-weighted sum of all candidate operations.

    edges: (source, target) per edge, in the order in which the release builds them; states are numbered from 0,
        the first *inputs* of them are given, every other one is the sum of the edges that enter it.
    operations: a builder per candidate, called as build(source); None stands for the operation that outputs zero.

    Candidates are built edge by edge, operation by operation, because that order fixes the random stream. Then the
    same operation of all edges that leave a state is joined: one call instead of up to four, on one copy of the input.
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        edges: Sequence[tuple[int, int]],
        operations: Mapping[str, Callable[[int], nn.Module] | None],
    ):
        super().__init__()
        self.inputs = inputs
        self.channels = channels
        self.nodes = max(target for _, target in edges) + 1 - inputs
        built = [{name: build(source) for name, build in operations.items() if build} for source, _ in edges]
        self.columns = [column for column, build in enumerate(operations.values()) if build]
        self.leaving: list[tuple[int, list[int], list[int]]] = []
        for source in range(inputs + self.nodes - 1):
            indices = [index for index, edge in enumerate(edges) if edge[0] == source]
            self.leaving.append((source, indices, [edges[index][1] for index in indices]))
            joined = {name: join([built[index][name] for index in indices]) for name in built[0]}
            self.add_module(f"from_{source}", nn.ModuleDict(joined))

    def forward(self, states: Sequence[Tensor], gates: Tensor) -> list[Tensor]:
        """states: the inputs, each (N, C, H, W); gates: (edges, operations). Returns inputs and nodes."""
        states = list(states)
        sums: list[Tensor | None] = [None] * (self.inputs + self.nodes)
        for source, indices, targets in self.leaving:
            if source >= self.inputs:
                states.append(sums[source])
            operations = list(self.get_submodule(f"from_{source}").values())
            leaving = gates[..., indices, :][..., self.columns]
            total = gated_sum(states[source], operations, leaving, self.channels)
            for target, edge in zip(targets, total.unbind(1), strict=True):
                sums[target] = edge if sums[target] is None else sums[target] + edge
        return [*states, sums[-1]]
