"""What the release calls the weights of a DARTS network."""

import re

from torch import Tensor, nn

# Its names, and ours.
NAMES = [
    (r"^stem\.", "stem0."),
    (r"\._ops\.", ".operations."),
    (r"^(cells\.\d+\.(?:preprocess\d|operations\.\d+))\.op\.", r"\1."),
    (r"\.conv_1\.", ".even."),
    (r"\.conv_2\.", ".odd."),
    (r"^auxiliary_head\.features\.", "auxiliary_head."),
]


def from_release(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """*state* with the names of *network*; those that have them already stay."""
    head = getattr(network, "auxiliary_head", None)
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        if head is not None:
            name = name.replace("auxiliary_head.classifier.", f"auxiliary_head.{len(head) - 1}.")
        renamed[name] = tensor
    return renamed
