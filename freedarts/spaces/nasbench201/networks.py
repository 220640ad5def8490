"""The NAS-Bench-201 space's networks (Dong and Yang, 2020): three stages of cells with residual blocks between them.

Layers are built in the benchmark's order with PyTorch's default initialisation.
"""

import torch
from torch import Tensor, nn

from freedarts.layers.gated import GatedCell
from freedarts.layers.layers import relu_conv_bn
from freedarts.spaces import nasbench201 as space


def operation(name: str, c: int, affine: bool) -> nn.Module:
    """A candidate that keeps size and width (`none` is not built: it adds nothing)."""
    match name:
        case "skip_connect":
            return nn.Identity()
        case "nor_conv_1x1":
            return relu_conv_bn(c, c, 1, 1, 0, affine)
        case "nor_conv_3x3":
            return relu_conv_bn(c, c, 3, 1, 1, affine)
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    raise ValueError(name)


class ResidualBlock(nn.Module):
    """Halves height and width and changes the width from c_in to c_out."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.conv_a = relu_conv_bn(c_in, c_out, 3, 2, 1, affine=True)
        self.conv_b = relu_conv_bn(c_out, c_out, 3, 1, 1, affine=True)
        self.downsample = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(c_in, c_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_b(self.conv_a(x)) + self.downsample(x)


class Skeleton(nn.Module):
    """Stem, cells and residual blocks, classifier; `build_cell(width)` makes a cell, called as cell(x, *arguments)."""

    def __init__(self, channels: int, cells_per_stage: int, classes: int, build_cell):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.cells = nn.ModuleList()
        for stage in range(3):
            width = channels * 2**stage
            if stage:
                self.cells.append(ResidualBlock(width // 2, width))
            self.cells.extend(build_cell(width) for _ in range(cells_per_stage))
        self.last = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
        self.classifier = nn.Linear(width, classes)

    def forward(self, images: Tensor, *arguments) -> Tensor:
        x = self.stem(images)
        for cell in self.cells:
            x = cell(x) if isinstance(cell, ResidualBlock) else cell(x, *arguments)
        return self.classifier(self.last(x).mean((2, 3)))


class SupernetCell(nn.Module):
    def __init__(self, c: int):
        super().__init__()

        def builder(name: str):
            return None if name == "none" else lambda source: operation(name, c, affine=False)

        self.graph = GatedCell(1, c, space.EDGES, {name: builder(name) for name in space.OPERATIONS})

    def forward(self, x: Tensor, gates: dict[str, Tensor]) -> Tensor:
        return self.graph([x], gates["cell"])[-1]


class Supernet(Skeleton):
    """All operations at once, gates used as they are. `forward(images, gates)`; gate_draws as in the DARTS supernet."""

    takes_stacks = True

    def __init__(self, channels: int, cells_per_stage: int, image_size: int, classes: int):
        super().__init__(channels, cells_per_stage, classes, SupernetCell)
        self.image_shape = (3, image_size, image_size)
        self.gate_draws = {"cell": torch.randn(len(space.EDGES), len(space.OPERATIONS))}


class Cell(nn.Module):
    """A cell of the final network: one operation on each edge, `none` left out."""

    def __init__(self, operations: tuple[str, ...], c: int):
        super().__init__()
        self.edges = [edge for edge, name in zip(space.EDGES, operations, strict=True) if name != "none"]
        self.operations = nn.ModuleList(operation(name, c, affine=True) for name in operations if name != "none")

    def forward(self, x: Tensor, gates: dict[str, Tensor] | None = None) -> Tensor:
        states = [x, *[torch.zeros_like(x)] * 3]
        for place, ((source, target), operation) in enumerate(zip(self.edges, self.operations, strict=True)):
            out = operation(states[source])
            states[target] = states[target] + (out if gates is None else gates["cell"][place] * out)
        return states[-1]


class Network(Skeleton):
    """The benchmark's network of an architecture. It has neither drop path nor an auxiliary head."""

    def __init__(self, genotype: space.Genotype, channels: int, cells_per_stage: int, image_size: int, classes: int):
        super().__init__(channels, cells_per_stage, classes, lambda width: Cell(genotype.operations, width))
        self.image_shape = (3, image_size, image_size)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        """images (N, 3, H, W) -> logits (N, classes), and None for the auxiliary head it does not have."""
        return super().forward(images), None


class GatedNetwork(Skeleton):
    """The same with a gate on each operation but `none`, for scores of gates: a supernet that holds one architecture.
    `forward(images, gates)` gives the logits."""

    def __init__(self, genotype: space.Genotype, channels: int, cells_per_stage: int, image_size: int, classes: int):
        super().__init__(channels, cells_per_stage, classes, lambda width: Cell(genotype.operations, width))
        self.image_shape = (3, image_size, image_size)
        self.gate_draws = {"cell": torch.ones(sum(name != "none" for name in genotype.operations), 1)}
