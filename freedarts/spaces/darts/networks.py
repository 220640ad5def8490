"""The DARTS space's networks: supernets as the FreeDARTS release builds them, final networks as DARTS trains them.

Layers are built in the release's order with PyTorch's default initialisation, so that after torch.manual_seed(seed)
a network has the release's weights.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from freedarts.layers.gated import GatedCell
from freedarts.layers.layers import FactorizedReduce, relu_conv_bn
from freedarts.spaces import darts


def sep_conv(c: int, kernel: int, stride: int, affine: bool) -> nn.Sequential:
    """Depthwise separable convolution, applied twice (DARTS)."""
    return nn.Sequential(*_separable(c, kernel, stride, 1, affine), *_separable(c, kernel, 1, 1, affine))


def dil_conv(c: int, kernel: int, stride: int, affine: bool) -> nn.Sequential:
    """Depthwise separable convolution with dilation 2 (DARTS)."""
    return nn.Sequential(*_separable(c, kernel, stride, 2, affine))


def _separable(c: int, kernel: int, stride: int, dilation: int, affine: bool) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(c, c, kernel, stride, padding, dilation, groups=c, bias=False),
        nn.Conv2d(c, c, 1, bias=False),
        nn.BatchNorm2d(c, affine=affine),
    ]


def operation(name: str, c: int, stride: int, affine: bool) -> nn.Module:
    """A candidate of the final networks, with c channels in and out."""
    match name:
        case "max_pool_3x3":
            return nn.MaxPool2d(3, stride, padding=1)
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
        case "skip_connect":
            return nn.Identity() if stride == 1 else FactorizedReduce(c, c, affine)
        case "sep_conv_3x3" | "sep_conv_5x5":
            return sep_conv(c, int(name[-1]), stride, affine)
        case "dil_conv_3x3" | "dil_conv_5x5":
            return dil_conv(c, int(name[-1]), stride, affine)
    raise ValueError(name)


def stem(kind: str, width: int) -> tuple[nn.Module, nn.Module | None]:
    """The layers before the cells, *width* channels wide; the second one, for ImageNet, makes the last input."""
    if kind == "cifar":
        return nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)), None

    def halve(c_in: int, c_out: int) -> list[nn.Module]:
        return [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(c_out)]

    return (
        nn.Sequential(*halve(3, width // 2), nn.ReLU(), *halve(width // 2, width)),
        nn.Sequential(nn.ReLU(), *halve(width, width)),
    )


def plan(channels: int, cells: int, stem_width: int, stem_reduces: bool) -> list[dict]:
    """Channels and strides of every cell: width doubles at one and two thirds of the depth."""
    cell_plan = []
    before, last, width, reduced = stem_width, stem_width, channels, stem_reduces
    for index in range(cells):
        reduction = index in (cells // 3, 2 * cells // 3)
        width *= 1 + reduction
        cell_plan.append(
            {"c_before": before, "c_last": last, "c": width, "reduction": reduction, "reduced_before": reduced}
        )
        before, last, reduced = last, darts.NODES * width, reduction
    return cell_plan


def preprocess(c_before: int, c_last: int, c: int, reduced_before: bool, affine: bool) -> tuple[nn.Module, nn.Module]:
    """Bring both inputs of a cell to c channels and one size."""
    first = FactorizedReduce(c_before, c, affine) if reduced_before else relu_conv_bn(c_before, c, 1, 1, 0, affine)
    return first, relu_conv_bn(c_last, c, 1, 1, 0, affine)


class SupernetCell(nn.Module):
    def __init__(self, c_before: int, c_last: int, c: int, reduction: bool, reduced_before: bool):
        super().__init__()
        self.group = "reduce" if reduction else "normal"
        self.preprocess0, self.preprocess1 = preprocess(c_before, c_last, c, reduced_before, affine=False)

        def builder(name: str):
            def build(source: int) -> nn.Module:
                candidate = operation(name, c, 2 if reduction and source < 2 else 1, affine=False)
                return nn.Sequential(candidate, nn.BatchNorm2d(c, affine=False)) if "pool" in name else candidate

            return None if name == "none" else build

        self.graph = GatedCell(2, c, darts.EDGES, {name: builder(name) for name in darts.OPERATIONS})

    def forward(self, before: Tensor, last: Tensor, gates: dict[str, Tensor]) -> Tensor:
        states = self.graph([self.preprocess0(before), self.preprocess1(last)], gates[self.group])
        return torch.cat(states[2:], dim=1)


class Supernet(nn.Module):
    """All operations of the space at once (DARTS), gates used as they are, without a softmax.

    gate_draws: standard normal draws (edges, operations) per gate group, taken after the last layer as the release
    does. The gates themselves are an argument of `forward`.
    """

    takes_stacks = True

    def __init__(self, channels: int, cells: int, stem_kind: str, image_size: int, classes: int):
        super().__init__()
        self.image_shape = (3, image_size, image_size)
        self.stem0, self.stem1 = stem(stem_kind, 3 * channels)
        self.cells = nn.ModuleList(
            SupernetCell(**cell) for cell in plan(channels, cells, 3 * channels, stem_kind == "imagenet")
        )
        self.classifier = nn.Linear(darts.NODES * 4 * channels, classes)
        self.gate_draws = {group: torch.randn(len(darts.EDGES), len(darts.OPERATIONS)) for group in darts.GATES}

    def forward(self, images: Tensor, gates: dict[str, Tensor]) -> Tensor:
        """images (N, 3, H, W), gates (edges, operations) per group -> logits (N, classes)."""
        before = self.stem0(images)
        last = before if self.stem1 is None else self.stem1(before)
        for cell in self.cells:
            before, last = last, cell(before, last, gates)
        return self.classifier(last.mean((2, 3)))


class Cell(nn.Module):
    """A cell of the final network: the operations of the genotype alone."""

    def __init__(self, entries: darts.Cell, c_before: int, c_last: int, c: int, reduction: bool, reduced_before: bool):
        super().__init__()
        self.preprocess0, self.preprocess1 = preprocess(c_before, c_last, c, reduced_before, affine=True)
        self.operations = nn.ModuleList(
            operation(name, c, 2 if reduction and source < 2 else 1, affine=True) for name, source in entries
        )
        self.sources = [source for _, source in entries]

        # The edges whose output may be dropped: those that compute something.
        self.droppable = [edge for edge, layer in enumerate(self.operations) if not isinstance(layer, nn.Identity)]

    def forward(self, before: Tensor, last: Tensor, factors: Tensor | None = None) -> Tensor:
        """factors: by which each output of a droppable edge is multiplied, (edges, N, 1, 1, 1)."""
        states = [self.preprocess0(before), self.preprocess1(last)]
        outputs = []
        for edge, (operation, source) in enumerate(zip(self.operations, self.sources, strict=True)):
            x = operation(states[source])
            if factors is not None and edge in self.droppable:
                x = (x * factors[self.droppable.index(edge)]).to(x.dtype)  # a factor is not rounded to bfloat16
            outputs.append(x)
            if edge % 2:
                states.append(outputs[-2] + outputs[-1])
        return torch.cat(states[2:], dim=1)


def drop_factors(edges: Sequence[int], images: int, drop_path: Tensor) -> Sequence[Tensor]:
    """For cells with so many droppable edges each, as `Cell` takes them: 0 where an output is dropped, else what keeps
    its expectation. All are drawn at once."""
    keep = 1.0 - drop_path
    kept = torch.rand(sum(edges), images, 1, 1, 1, device=keep.device) < keep
    return (kept / keep).split(edges)


def auxiliary_head(kind: str, channels: int, classes: int) -> nn.Sequential:
    """A second classifier on the 8x8 (CIFAR) or 7x7 (ImageNet) feature map; the release's ImageNet head has no second
    batch norm."""
    return nn.Sequential(
        nn.ReLU(),
        nn.AvgPool2d(5, stride=3 if kind == "cifar" else 2, count_include_pad=False),
        nn.Conv2d(channels, 128, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.Conv2d(128, 768, 2, bias=False),
        *([nn.BatchNorm2d(768)] if kind == "cifar" else []),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(768, classes),
    )


class Network(nn.Module):
    """The network that is trained for a genotype (DARTS). `drop_path`: the probability to drop an edge's output for an
    image while training (Larsson et al., 2017), a tensor without dimensions (a number would be compiled into the code,
    anew in every epoch); None for no drop path.

    Its auxiliary head is used in training mode only.
    """

    def __init__(
        self,
        genotype: darts.Genotype,
        channels: int,
        cells: int,
        stem_kind: str,
        image_size: int,
        classes: int,
        auxiliary: bool,
    ):
        super().__init__()
        self.image_shape = (3, image_size, image_size)
        self.drop_path: Tensor | None = None
        width = 3 * channels if stem_kind == "cifar" else channels
        self.stem0, self.stem1 = stem(stem_kind, width)
        self.cells = nn.ModuleList(
            Cell(genotype.reduce if cell["reduction"] else genotype.normal, **cell)
            for cell in plan(channels, cells, width, stem_kind == "imagenet")
        )
        self.auxiliary_cell = 2 * cells // 3
        c = darts.NODES * 4 * channels
        self.auxiliary_head = auxiliary_head(stem_kind, c, classes) if auxiliary else None
        self.pool = nn.AdaptiveAvgPool2d(1) if stem_kind == "cifar" else nn.AvgPool2d(min(7, image_size // 32))
        self.classifier = nn.Linear(c, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """images (N, 3, H, W) -> logits (N, classes) of the classifier and, while training, of the auxiliary head."""
        before = self.stem0(images)
        last = before if self.stem1 is None else self.stem1(before)
        auxiliary, factors = None, [None] * len(self.cells)
        if self.training and self.drop_path is not None:
            factors = drop_factors([len(cell.droppable) for cell in self.cells], len(images), self.drop_path)
        for index, cell in enumerate(self.cells):
            before, last = last, cell(before, last, factors[index])
            if index == self.auxiliary_cell and self.training and self.auxiliary_head is not None:
                auxiliary = self.auxiliary_head(last)
        return self.classifier(self.pool(last).flatten(1)), auxiliary
