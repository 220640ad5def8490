"""SynFlow as FreeDARTS uses it in the MobileNet space: with the gates of ProxylessNAS (Cai et al., 2019)."""

import torch
from torch import Tensor, nn

from freedarts.scores._derivatives import gradient
from freedarts.scores.grasp import adam_step

OPTIONS = {
    "step": {"learning_rate": "> 0", "weight_decay": ">= 0"},
    "flops": {"weight": "> 0", "reference": "> 1", "exponent": ""},
}
SPACES = ("mobilenet",)


def score(
    network: nn.Module,
    gates: dict[str, Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    step: dict[str, float],
    flops: dict[str, float],
) -> tuple[Tensor, dict[str, Tensor]]:
    """|gate * dJ/dgate|, the gate after Adam's first *step* along the same gradient, with

        J = weight * R * (ln E / ln reference) ^ exponent      (the release's objective, *flops* its constants)

    R is the sum of the logits of the network in which each block has one operation, drawn with the probabilities
    softmax(gates); E are the expected multiply-adds of such a network. R's gradient is estimated as in ProxylessNAS
    (equation 4): with a factor before each candidate, 1 for the drawn one and 0 for the others, dR/dgate_i is the sum
    over j of dR/dfactor_j * dp_j/dgate_i.

    images (N, 3, H, W); labels are not used. Larger means keep.
    """
    ((group, alphas),), (fixed, candidates) = gates.items(), network.multiply_adds()
    probabilities = alphas.softmax(-1)
    path = {group: _drawn(network, alphas).requires_grad_()}
    total, slopes = gradient(network, path, images, Tensor.sum)

    # Its value is R, its gradient ProxylessNAS's estimate.
    total = total + ((probabilities - probabilities.detach()) * slopes[group]).sum()
    expected = fixed + (probabilities * torch.tensor(candidates).to(alphas)).sum()
    relative = expected.log() / torch.tensor(flops["reference"]).to(alphas).log()
    objective = flops["weight"] * total * relative ** flops["exponent"]
    (slope,) = torch.autograd.grad(objective, alphas)
    return objective.detach(), {group: (adam_step(alphas, slope, **step) * slope).abs().detach()}


def _drawn(network: nn.Module, alphas: Tensor) -> Tensor:
    """1 for the operation of each block that is drawn, 0 for the others."""
    below = alphas.softmax(-1).cumsum(-1) < network.path_draws.to(alphas).unsqueeze(-1)
    return nn.functional.one_hot(below.sum(-1).clamp(max=alphas.shape[-1] - 1), alphas.shape[-1]).to(alphas)
