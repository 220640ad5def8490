"""GraSP (Wang et al., 2020), applied to gates instead of weights as FreeDARTS does."""

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from freedarts.scores._derivatives import gradient, hessian_product

OPTIONS = {
    "product": ("gradient", "first-row", "gates"),
    "sign": ("negative", "positive", "absolute"),
    "step": {"learning_rate": "> 0", "weight_decay": ">= 0"},
}
MEGABYTES = 130  # second derivatives
SIGNS: dict[str, Callable[[Tensor], Tensor]] = {
    "negative": Tensor.neg,
    "positive": Tensor.positive,
    "absolute": Tensor.abs,
}
EPSILON = 1e-8  # Adam's


def score(
    network: nn.Module,
    gates: dict[str, Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    product: str,
    sign: str,
    step: dict[str, float] | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """-gate * (H g), elementwise, with g and H the gradient and the Hessian of the cross-entropy L of a batch (Wang et
    al., 2020, with the gates in place of the weights). Larger means keep.

    A small change d of the gates changes the squared norm of g by 2 d . H g. Taking a gate away is d = -gate: a large
    score says that this would make the gradient larger. (Wang et al. take away the weights with the largest scores;
    the sign `positive` puts gates in their order.)

    The release deviates from it by:
    step      {learning_rate, weight_decay} of a step that Adam takes before H is computed. The gates outside of H and
              the g of the product stay those before the step.
    product   what H is multiplied by: `gradient` (the definition); `first-row`: each edge by the gradient of the first
              edge; `gates`: by the gates after the step, which are differentiated too: H gate + g
    sign      `negative` (the definition), `positive`, or `absolute`, the absolute value

    images (N, 3, H, W), labels (N,). The objective is L before the step.
    """
    loss = partial(F.cross_entropy, target=labels)
    objective, before = gradient(network, gates, images, loss)
    moved = {group: adam_step(gate, before[group], **step) for group, gate in gates.items()} if step else gates
    match product:
        case "gradient":
            direction = before
        case "first-row":
            direction = {group: slope[:1].expand_as(slope) for group, slope in before.items()}
        case "gates":
            direction = moved
    after, curved = hessian_product(network, moved, images, loss, direction)
    if product == "gates":
        curved = {group: vector + after[group] for group, vector in curved.items()}
    return objective, {group: SIGNS[sign](gate * curved[group]).detach() for group, gate in gates.items()}


def adam_step(gate: Tensor, gradient: Tensor, learning_rate: float, weight_decay: float) -> Tensor:
    """*gate* after the first step of Adam (Kingma and Ba, 2015) with an L2 penalty; its betas cancel in this step."""
    slope = gradient + weight_decay * gate.detach()
    return (gate.detach() - learning_rate * slope / (slope.abs() + EPSILON)).requires_grad_()
