"""A cell with gates, as the supernets of the cell-based spaces use it."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from freedarts.networks.layers import join


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
        columns = {name: column for column, name in enumerate(operations)}
        self.column = {name: columns[name] for name in built[0]}
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
            total = None
            for name, operation in self.get_submodule(f"from_{source}").items():
                out = operation(states[source])  # (N, edges * C, H, W), or (N, C, H, W) when the same on all edges
                gate = gates[indices, self.column[name]].view(1, -1, 1, 1, 1)
                out = out.unflatten(1, (-1, self.channels))
                total = gate * out if total is None else total.addcmul(gate, out)
            for target, edge in zip(targets, total.unbind(1), strict=True):
                sums[target] = edge if sums[target] is None else sums[target] + edge
        return [*states, sums[-1]]
