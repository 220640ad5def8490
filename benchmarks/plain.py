"""The plain way to score a supernet, or one architecture of NAS-Bench-201: the baseline of benchmarks/search.py and
benchmarks/architectures.py, and an independent reference for the tests.

All weights require gradients, each edge calls each of its operations by itself, and one `backward` does the rest.
Shared with freedarts: the stem, the cells' frame and the classifier, built in the same order from the same seed; and
the MobileNet supernet, which has nothing to join.
"""

from contextlib import nullcontext
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from freedarts import search
from freedarts.scores import Score
from freedarts.spaces.darts import networks as darts
from freedarts.spaces.mobilenet import networks as mobilenet
from freedarts.spaces.nasbench201 import from_index
from freedarts.spaces.nasbench201 import networks as nasbench201


class PlainCell(nn.Module):
    """Stands for freedarts.layers.gated.GatedCell, which is called and builds its operations in the same way."""

    def __init__(self, inputs: int, channels: int, edges, operations):
        super().__init__()
        self.inputs, self.edges = inputs, edges
        self.columns = {name: column for column, name in enumerate(operations)}
        self.candidates = nn.ModuleList(
            nn.ModuleDict({name: build(source) for name, build in operations.items() if build}) for source, _ in edges
        )

    def forward(self, states, gates: Tensor) -> list[Tensor]:
        states = list(states)
        for node in range(self.inputs, max(target for _, target in self.edges) + 1):
            entering = [edge for edge, (_, target) in enumerate(self.edges) if target == node]
            states.append(sum(self.edge(edge, states, gates[edge]) for edge in entering))
        return states

    def edge(self, edge: int, states: list[Tensor], gates: Tensor) -> Tensor:
        x = states[self.edges[edge][0]]
        return sum(gates[self.columns[name]] * operation(x) for name, operation in self.candidates[edge].items())


class PlainChoice(mobilenet.Choice):
    """Keeps what every candidate computes."""

    def forward(self, x: Tensor, gates: Tensor) -> Tensor:
        out = sum(gate * candidate(x) for gate, candidate in zip(gates, self.candidates, strict=True))
        return out + x if self.shortcut else out


def plain_supernet(space: str, options: dict, seed: int) -> nn.Module:
    """The supernet of freedarts.search.build with the same weights and gate draws, its operations not joined."""
    with (
        patch.object(darts, "GatedCell", PlainCell),
        patch.object(nasbench201, "GatedCell", PlainCell),
        patch.object(mobilenet, "Choice", PlainChoice),
    ):
        return search.build(space, options, seed)


def plain_score(
    supernet: nn.Module, score: Score, batch: search.Batch | None = None, precision: str | None = None
) -> tuple[float, dict[str, Tensor]]:
    """Objective and {gate group: scores}; GraSP as it is defined, by differentiating twice. Afterwards *supernet* has
    the score's weights in *precision*."""
    dtype = getattr(torch, precision or score.precision)
    supernet.to(dtype).train(score.batch_norm == "train")
    if score.positive_weights:
        for tensor in supernet.state_dict().values():
            tensor.abs_()
    gates = {}
    for group, draws in supernet.gate_draws.items():
        gate = draws * score.gate_scale if score.gates == "normal" else torch.ones_like(draws)
        gates[group] = (gate.abs() if score.positive_gates else gate).to(dtype).requires_grad_()
    images, labels = batch or search.ones(supernet)
    identity, relu = score.batch_norm == "identity", score.activation == "relu"
    with (
        patch.object(nn.BatchNorm2d, "forward", lambda self, x: x) if identity else nullcontext(),
        patch.object(nn.ReLU6, "forward", lambda self, x: x.relu()) if relu else nullcontext(),
    ):
        logits = supernet(images.to(dtype), gates)
        objective = logits.sum() if score.proxy == "synflow" else F.cross_entropy(logits, labels)
        if score.proxy == "grasp":
            slopes = torch.autograd.grad(objective, list(gates.values()), create_graph=True)
            sum((slope * slope.detach()).sum() for slope in slopes).backward()
        else:
            objective.backward()
    scores = {group: (gate * gate.grad).detach() for group, gate in gates.items()}
    return objective.item(), {group: -x if score.proxy == "grasp" else x.abs() for group, x in scores.items()}


def plain_synflow(index: int, seed: int, options: dict) -> float:
    """SynFlow of one architecture, summed over the weights: built alone, all gradients by one `backward`."""
    torch.manual_seed(seed)
    network = nasbench201.Network(from_index(index), **options).double()
    for tensor in network.state_dict().values():
        tensor.abs_()
    with patch.object(nn.BatchNorm2d, "forward", lambda self, x: x):
        logits, _ = network(torch.ones(1, *network.image_shape, dtype=torch.float64))
        logits.sum().backward()
    weights = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return sum((weight * weight.grad).abs().sum().item() for weight in weights if weight.grad is not None)
