"""A DARTS network whose weights have the names that the release's have, written from its description
(facts of the release: names of attributes, layers and strides), without drop path; and a MobileNet network whose
weights have other names than ours."""

import torch
from torch import Tensor, nn

from freedarts.spaces import darts, mobilenet


class Sequence(nn.Module):
    """Layers under the name `op`."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Halves(nn.Module):
    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.conv_1 = nn.Conv2d(c_in, c_out // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(c_in, c_out // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = x.relu()
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], dim=1))


def separable(c: int, kernel: int, stride: int, dilation: int) -> list[nn.Module]:
    padding = dilation * (kernel - 1) // 2
    depthwise = nn.Conv2d(c, c, kernel, stride, padding, dilation, groups=c, bias=False)
    return [nn.ReLU(), depthwise, nn.Conv2d(c, c, 1, bias=False), nn.BatchNorm2d(c)]


def operation(name: str, c: int, stride: int) -> nn.Module:
    kernel = int(name[-1]) if name[-1].isdigit() else 0
    if "sep" in name:
        return Sequence(*separable(c, kernel, stride, 1), *separable(c, kernel, 1, 1))
    if "dil" in name:
        return Sequence(*separable(c, kernel, stride, 2))
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else Halves(c, c)
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, 1)
    return nn.AvgPool2d(3, stride, 1, count_include_pad=False)


def pointwise(c_in: int, c_out: int) -> Sequence:
    return Sequence(nn.ReLU(), nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out))


class Cell(nn.Module):
    def __init__(self, entries, before: int, last: int, c: int, reduction: bool, reduced: bool):
        super().__init__()
        self.preprocess0 = Halves(before, c) if reduced else pointwise(before, c)
        self.preprocess1 = pointwise(last, c)
        self.entries = entries
        self._ops = nn.ModuleList(operation(name, c, 2 if reduction and source < 2 else 1) for name, source in entries)

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        states = [self.preprocess0(before), self.preprocess1(last)]
        for first in range(0, 8, 2):
            states.append(sum(self._ops[i](states[self.entries[i][1]]) for i in (first, first + 1)))
        return torch.cat(states[2:], dim=1)


class Head(nn.Module):
    def __init__(self, c: int, classes: int, imagenet: bool):
        super().__init__()
        second = [] if imagenet else [nn.BatchNorm2d(768)]
        self.features = nn.Sequential(
            *(nn.ReLU(), nn.AvgPool2d(5, 2 if imagenet else 3, count_include_pad=False)),
            *(nn.Conv2d(c, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU()),
            *(nn.Conv2d(128, 768, 2, bias=False), *second, nn.ReLU()),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


class Network(nn.Module):
    def __init__(self, genotype: darts.Genotype, c: int, cells: int, classes: int, imagenet: bool):
        super().__init__()
        self.imagenet = imagenet
        width = c if imagenet else 3 * c
        if imagenet:
            first = [nn.Conv2d(3, c // 2, 3, 2, 1, bias=False), nn.BatchNorm2d(c // 2), nn.ReLU()]
            self.stem0 = nn.Sequential(*first, nn.Conv2d(c // 2, c, 3, 2, 1, bias=False), nn.BatchNorm2d(c))
            self.stem1 = nn.Sequential(nn.ReLU(), nn.Conv2d(c, c, 3, 2, 1, bias=False), nn.BatchNorm2d(c))
        else:
            self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.cells = nn.ModuleList()
        before, last, reduced = width, width, imagenet
        for index in range(cells):
            reduction = index in (cells // 3, 2 * cells // 3)
            c *= 2 if reduction else 1
            entries = genotype.reduce if reduction else genotype.normal
            self.cells.append(Cell(entries, before, last, c, reduction, reduced))
            before, last, reduced = last, 4 * c, reduction
            if index == 2 * cells // 3:
                self.auxiliary_head = Head(4 * c, classes, imagenet)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        before = self.stem0(x) if self.imagenet else self.stem(x)
        last = self.stem1(before) if self.imagenet else before
        for index, cell in enumerate(self.cells):
            before, last = last, cell(before, last)
            if index == 2 * len(self.cells) // 3:
                auxiliary = self.auxiliary_head(last)
        return self.classifier(last.mean((2, 3))), auxiliary


class ConvLayer(nn.Module):
    def __init__(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, groups: int = 1, active: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(c_out)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return x.clamp(0, 6) if self.active else x


class Inverted(nn.Module):
    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = c_in * expansion
        self.widen = ConvLayer(c_in, wide) if expansion > 1 else None
        self.depthwise = ConvLayer(wide, wide, kernel, stride, groups=wide)
        self.narrow = ConvLayer(wide, c_out, active=False)
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        out = self.narrow(self.depthwise(self.widen(x) if self.widen else x))
        return x + out if self.residual else out


class MobileNet(nn.Module):
    """Of the release's widths."""

    def __init__(self, genotype: mobilenet.Genotype, classes: int):
        super().__init__()
        self.first = ConvLayer(3, 40, 3, 2)
        blocks, before = [Inverted(40, 24, 3, 1, 1)], 24
        for identifier, (width, stride) in zip(genotype.operations, mobilenet.BLOCKS, strict=True):
            blocks.append(Inverted(before, width, 3 + identifier // 2 * 2, stride, 3 + identifier % 2 * 3))
            before = width
        self.blocks = nn.ModuleList(blocks)
        self.mix = ConvLayer(before, 1728)
        self.linear = nn.Linear(1728, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.linear(self.mix(x).mean((2, 3)))
