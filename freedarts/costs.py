"""Parameters and multiply-adds of a final network, by the two counting rules behind the published figures."""

import math

import torch
from torch import Tensor, nn

from freedarts import spaces
from freedarts.genotype import Genotype


def costs(genotype: Genotype, options: dict) -> dict[str, int]:
    """Integers for one image; the network is built without memory and nothing is computed.

    parameters leaves out the auxiliary head, parameters_with_auxiliary counts it.
    flops: multiply-adds of the convolutions, and of the linear layer with its bias; all else is free.
    macs: the same without the bias, plus 2 per batch norm input, 1 per average pooling output, and kernel area + 1
        per output of a global average pooling (the counter that the release used).
    """
    with torch.device("meta"):
        network = spaces.load(genotype.space).network(genotype, **options).eval()
        image = torch.empty(1, *network.image_shape)
    total = {"flops": 0, "macs": 0}

    def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        flops, macs = _multiply_adds(module, inputs[0], output)
        total["flops"] += flops
        total["macs"] += macs

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


def _multiply_adds(module: nn.Module, x: Tensor, output: Tensor) -> tuple[int, int]:
    """(flops, macs) of one call."""
    match module:
        case nn.Conv2d():
            macs = output.numel() * module.weight[0].numel()
            return macs, macs
        case nn.Linear():
            macs = x.shape[0] * module.weight.numel()
            return macs + output.numel(), macs
        case nn.BatchNorm2d():
            return 0, 2 * x.numel()
        case nn.AdaptiveAvgPool2d():
            area = math.prod(x.shape[2:]) // math.prod(output.shape[2:])
            return 0, (area + 1) * output.numel()
        case nn.AvgPool2d():
            return 0, output.numel()
    return 0, 0
