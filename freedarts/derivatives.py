"""First and second derivatives of a supernet's loss with respect to its gates.

A supernet is called as network(images, gates); one that takes stacks (freedarts.networks.tangents) has second ones too.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Gates = dict[str, Tensor]  # (edges, operations) for each gate group


def gradient(
    network: nn.Module, gates: Gates, images: Tensor, objective: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Gates]:
    """The scalar objective(logits), and its gradient."""
    value = objective(network(images, gates))
    return value.detach(), dict(zip(gates, torch.autograd.grad(value, list(gates.values())), strict=True))


def hessian_product(
    network: nn.Module, gates: Gates, images: Tensor, objective: Callable[[Tensor], Tensor], direction: Gates
) -> tuple[Gates, Gates]:
    """The gradient g of objective(logits), and H v with H its Hessian and v the *direction*.

    In one backward pass: the slope along v is s = g . v, so ds/dgates = H v and ds/dv = g (Pearlmutter, 1994).
    """
    direction = {group: vector.detach().clone().requires_grad_() for group, vector in direction.items()}
    stacks = {group: torch.stack([gate, direction[group]]) for group, gate in gates.items()}
    logits, tangents = network(torch.cat([images, torch.zeros_like(images)]), stacks).chunk(2)
    (outer,) = torch.autograd.grad(objective(logits), logits, create_graph=True)
    found = torch.autograd.grad((outer * tangents).sum(), [*gates.values(), *direction.values()])
    products, gradients = found[: len(gates)], found[len(gates) :]
    return dict(zip(gates, gradients, strict=True)), dict(zip(gates, products, strict=True))
