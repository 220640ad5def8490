"""SynFlow (Tanaka et al., 2020) of whole architectures of NAS-Bench-201, summed over all weights.

The positive network without batch norm is linear in its image of ones: R, the sum of the logits, is the sum over all
paths of the product of the weights on the path. A path with k weights is in w * dR/dw of each of the k, so that

    sum over the weights w of w * dR/dw = sum over the paths of (weights on the path) * (product of the weights)

which one forward pass of two images gives, without a gradient: u = (v, v + d), with v the sum over the paths so far and
d that sum with each path times its weights. A convolution W makes W u = (v', d') of it, and d' + v' restores the form.
Everything else is linear and acts on both alike. This is exact, also where an edge leads nowhere.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby

import torch
from torch import Tensor, nn

from freedarts.layers.frozen import frozen
from freedarts.spaces.nasbench201 import EDGES, Genotype, from_index
from freedarts.spaces.nasbench201.networks import Cell, Network, operation

Edge = tuple[tuple[int, int], str, int | None]  # (source, target), operation, which convolution of the cell


def convolutions(genotype: Genotype) -> tuple[str, ...]:
    """The convolutions of a cell in the order in which they are built. A seed gives architectures with the same ones
    the same weights: nothing else draws random numbers. There are 127 such orders."""
    return tuple(name for name in genotype.operations if name.startswith("nor_conv"))


def live_edges(genotype: Genotype) -> list[Edge]:
    """The edges on a way from the input of the cell to its output."""
    edges, count = [], 0
    for edge, name in zip(EDGES, genotype.operations, strict=True):
        conv = name.startswith("nor_conv")
        edges.append((edge, name, count if conv else None))
        count += conv
    reached, needed = {0}, {3}
    for (source, target), name, _ in edges:  # a source comes before all edges that leave it
        if name != "none" and source in reached:
            reached.add(target)
    for (source, target), name, _ in reversed(edges):
        if name != "none" and target in needed:
            needed.add(source)
    return [edge for edge in edges if edge[1] != "none" and edge[0][0] in reached and edge[0][1] in needed]


def function(edges: list[Edge]) -> tuple:
    """What a linear cell computes: its ways from input to output, each the operations on it but for skip connections.
    Cells with the same convolutions and the same function have the same score."""
    ways = defaultdict(list, {0: [()]})
    for (source, target), name, conv in edges:
        step = () if name == "skip_connect" else ((name, -1 if conv is None else conv),)
        ways[target] += [way + step for way in ways[source]]
    return tuple(sorted(ways[3]))


def scores(indices: list[int], seed: int, options: dict) -> Iterator[tuple[int, float]]:
    """(index, score) of the architectures with these benchmark indices, in an order of its own, in double precision.

    options: of the network. Each score is that of the network which `torch.manual_seed(seed)` gives when it is built
    alone. Infinite if the sum leaves double precision; 0 if no path leads from the image to the logits.
    """
    genotypes = [from_index(index) for index in indices]
    ordered = sorted(genotypes, key=lambda genotype: (convolutions(genotype), genotype.index))
    for names, group in groupby(ordered, convolutions):
        torch.manual_seed(seed)
        network = Network(Genotype(names + ("none",) * (len(EDGES) - len(names))), **options)
        nn.init.zeros_(network.classifier.bias)  # of no path
        with frozen(network, "identity", lambda weight: weight.double().abs()), torch.no_grad():
            known: dict[tuple, float] = {}
            score = _Score(network)
            for genotype in group:
                edges = live_edges(genotype)
                key = function(edges)
                if key not in known:
                    known[key] = score(edges) if edges else 0.0
                yield genotype.index, known[key]


class _Score:
    """The score of one architecture after the other with the weights of one network."""

    def __init__(self, network: Network):
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(_count)
        self.network = network
        self.images = torch.ones(2, *network.image_shape, dtype=torch.float64)
        self.cells = [cell for cell in network.cells if isinstance(cell, Cell)]
        self.convolutions = [list(cell.operations) for cell in self.cells]
        self.others = {name: operation(name, 0, affine=False) for name in ("skip_connect", "avg_pool_3x3")}

    def __call__(self, edges: list[Edge]) -> float:
        for cell, convs in zip(self.cells, self.convolutions, strict=True):
            cell.edges = [edge for edge, _, _ in edges]
            cell.operations = nn.ModuleList(self.others[name] if i is None else convs[i] for _, name, i in edges)
        logits, _ = self.network(self.images)
        return logits[1].sum().item()


def _count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
    output[1] += output[0]
