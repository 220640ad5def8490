"""Parameters and multiply-adds of a final network, by the two counting rules behind the published counts."""

import math

import torch
from torch import Tensor, nn

from freedarts import spaces
from freedarts.genotype import Genotype


def costs(genotype: Genotype, options: dict) -> dict[str, int]:
    """Integers for one image; the network is built without memory and nothing is computed.

    parameters leaves out the auxiliary head, parameters_with_auxiliary counts it.
    flops: multiply-adds of the convolutions, and of the linear layer with its bias; all else is free.
    macs: by the release's own counter, as the space says (MACS). Convolutions as above. `table`, a lookup table: the
        linear layer with 2 * inputs - 1 per output. `cells`: the linear layer without its bias, 2 per batch norm input,
        1 per average pooling output, and kernel area + 1 per output of a global average pooling.
    """
    space = spaces.load(genotype.space)
    with torch.device("meta"):
        network = space.network(genotype, **options).eval()
        image = torch.empty(1, *network.image_shape)
    total = {"flops": 0, "macs": 0}
    extra = {"cells": _cells_extra, "table": _table_extra}[space.MACS]

    def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        products = output.numel() * module.weight[0].numel() if isinstance(module, nn.Conv2d | nn.Linear) else 0
        total["flops"] += products + (output.numel() if isinstance(module, nn.Linear) else 0)
        total["macs"] += products + extra(module, inputs[0], output)

    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(image)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return {
        "parameters": sum(size for name, size in sizes.items() if "auxiliary" not in name),
        "parameters_with_auxiliary": sum(sizes.values()),
        **total,
    }


def _cells_extra(module: nn.Module, x: Tensor, output: Tensor) -> int:
    match module:
        case nn.BatchNorm2d():
            return 2 * x.numel()
        case nn.AdaptiveAvgPool2d():
            area = math.prod(x.shape[2:]) // math.prod(output.shape[2:])
            return (area + 1) * output.numel()
        case nn.AvgPool2d():
            return output.numel()
    return 0


def _table_extra(module: nn.Module, x: Tensor, output: Tensor) -> int:
    return (module.in_features - 1) * output.numel() if isinstance(module, nn.Linear) else 0
