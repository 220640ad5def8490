"""The gates' Fisher information as a score: one file, named under `proxy` in a configuration."""

import torch
import torch.nn.functional as F


def score(network, gates, images, labels):
    """Sum over the images n of (gate * dL_n/dgate)^2, L_n the cross-entropy of image n in its batch: the empirical
    Fisher information of log(gate). Larger means keep. The objective is the mean of L_n."""
    losses = F.cross_entropy(network(images, gates), labels, reduction="none")
    total = {group: torch.zeros_like(gate) for group, gate in gates.items()}
    for loss in losses:
        slopes = torch.autograd.grad(loss, list(gates.values()), retain_graph=True)
        for (group, gate), slope in zip(gates.items(), slopes, strict=True):
            total[group] += (gate * slope).detach() ** 2
    return losses.mean(), total
