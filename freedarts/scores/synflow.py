"""SynFlow (Tanaka et al., 2020), applied to gates instead of weights as FreeDARTS does."""

from torch import Tensor, nn

from freedarts.scores._derivatives import gradient


def score(
    network: nn.Module, gates: dict[str, Tensor], images: Tensor, labels: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """|gate * dR/dgate| with R the sum of the logits (Tanaka et al., 2020, equation 2, with theta the gates).

    images: all ones, (1, 3, H, W), or a batch; labels are not used. Larger means keep.
    """
    objective, slopes = gradient(network, gates, images, Tensor.sum)
    return objective, {group: (gates[group] * slope).abs().detach() for group, slope in slopes.items()}
