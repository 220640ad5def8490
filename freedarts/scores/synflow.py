"""SynFlow (Tanaka et al., 2020), applied to gates instead of weights as FreeDARTS does."""

import torch
from torch import Tensor, nn


def score(
    network: nn.Module, gates: dict[str, Tensor], images: Tensor, labels: None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """|gate * dR/dgate| with R the sum of the logits (Tanaka et al., 2020, equation 2, with theta the gates).

    images: all ones, (1, 3, H, W). The caller has made the weights positive. Larger means keep.
    """
    objective = network(images, gates).sum()
    gradients = torch.autograd.grad(objective, list(gates.values()))
    scores = {
        group: (gate * gradient).abs().detach()
        for (group, gate), gradient in zip(gates.items(), gradients, strict=True)
    }
    return objective.detach(), scores
