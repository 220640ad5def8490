"""What the release's code for DARTS networks calls their weights, and how its searches draw their images."""

import re

from torch import Tensor, nn

from freedarts.tasks import Data, released

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


def batch(data: Data, batch_size: int) -> tuple[Tensor, Tensor]:
    """The batch of the SNIP and GraSP notebooks, on CIFAR-10, and its labels: the first of a loader over the second
    half of the training images. The loader over the first half draws before it; its batch is not scored."""
    half = len(data.train_labels) // 2
    released.begin(half)
    base, order = released.begin(half)
    chosen, python = half + order[:batch_size], released.process(base)
    moves = released.moves(released.crop_then_flip(python) for _ in chosen)
    return moves.apply(data.train_images[chosen]), data.train_labels[chosen]
