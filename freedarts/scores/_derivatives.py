"""First and second derivatives of a supernet's loss with respect to its gates.

A supernet is called as network(images, gates). One that says `takes_stacks` (freedarts.layers.tangents) has its
second ones in one backward pass; others, which a user may have written of any layers, are differentiated twice.
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

    On stacks in one backward pass: the slope along v is s = g . v, so ds/dgates = H v, ds/dv = g (Pearlmutter, 1994).
    """
    if not getattr(network, "takes_stacks", False):
        value, leaves = objective(network(images, gates)), list(gates.values())
        slopes = torch.autograd.grad(value, leaves, create_graph=True)
        along = sum((slope * direction[group].detach()).sum() for group, slope in zip(gates, slopes, strict=True))
        products = torch.autograd.grad(along, leaves, materialize_grads=True)
        gradients = {group: slope.detach() for group, slope in zip(gates, slopes, strict=True)}
        return gradients, dict(zip(gates, products, strict=True))
    direction = {group: vector.detach().clone().requires_grad_() for group, vector in direction.items()}
    stacks = {group: torch.stack([gate, direction[group]]) for group, gate in gates.items()}
    logits, tangents = network(torch.cat([images, torch.zeros_like(images)]), stacks).chunk(2)
    (outer,) = torch.autograd.grad(objective(logits), logits, create_graph=True)
    both = torch.autograd.grad((outer * tangents).sum(), [*gates.values(), *direction.values()])
    products, gradients = both[: len(gates)], both[len(gates) :]
    return dict(zip(gates, gradients, strict=True)), dict(zip(gates, products, strict=True))
