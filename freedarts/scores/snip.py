"""SNIP (Lee et al., 2019), applied to gates instead of weights as FreeDARTS does."""

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from freedarts.scores._derivatives import gradient


def score(
    network: nn.Module, gates: dict[str, Tensor], images: Tensor, labels: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """|gate * dL/dgate| with L the cross-entropy of a batch (Lee et al., 2019, without their normalisation, the gates
    in place of the weights).

    images (N, 3, H, W), labels (N,). Larger means keep.
    """
    loss, slopes = gradient(network, gates, images, partial(F.cross_entropy, target=labels))
    return loss, {group: (gates[group] * slope).abs().detach() for group, slope in slopes.items()}
