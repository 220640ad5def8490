"""The MobileNet space's networks: the supernet as the release's ProxylessNAS code builds it (Cai et al., 2019), and the
final network as its retraining code does."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from freedarts.layers.gated import gated_sum
from freedarts.spaces import mobilenet as space

STEM, FIRST, LAST = 40, 24, 1728  # widths of the first convolution, the first block and the last convolution
EPS_SEARCH, EPS_RETRAIN = 1e-3, 1e-5  # of batch norm


def widths(channels: int) -> Callable[[int], int]:
    """All widths in proportion to the first convolution's, which is *channels*, rounded down."""
    return lambda width: width * channels // STEM


def conv_bn(c_in: int, c_out: int, kernel: int, stride: int, eps: float, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(c_out, eps=eps),
    ]


def mbconv(c_in: int, c_out: int, kernel: int, stride: int, expansion: int, eps: float) -> nn.Sequential:
    """Inverted bottleneck (Sandler et al., 2018): widen, convolve each channel, narrow. An expansion of 1 is none."""
    wide = expansion * c_in
    expand = [*conv_bn(c_in, wide, 1, 1, eps), nn.ReLU6()] if expansion > 1 else []
    return nn.Sequential(
        *expand, *conv_bn(wide, wide, kernel, stride, eps, groups=wide), nn.ReLU6(), *conv_bn(wide, c_out, 1, 1, eps)
    )


def stem(channels: int, eps: float) -> nn.Sequential:
    """The first convolution and the block without a choice; halves the image."""
    width = widths(channels)
    return nn.Sequential(
        *conv_bn(3, width(STEM), 3, 2, eps), nn.ReLU6(), mbconv(width(STEM), width(FIRST), 3, 1, 1, eps)
    )


def _multiply_adds(layers: nn.Module, size: int) -> tuple[int, int]:
    """Multiply-adds of the convolutions, one after the other on a square of *size* pixels, and the size they leave."""
    products = 0
    for conv in (module for module in layers.modules() if isinstance(module, nn.Conv2d)):
        size = -(-size // conv.stride[0])
        products += conv.weight.numel() * size**2
    return products, size


class Choice(nn.Module):
    """All candidates of a block, and a shortcut where they change neither size nor width."""

    def __init__(self, c_in: int, c_out: int, stride: int):
        super().__init__()
        self.candidates = nn.ModuleList(mbconv(c_in, c_out, k, stride, e, EPS_SEARCH) for k, e in space.SIZES)
        self.channels = c_out
        self.shortcut = stride == 1 and c_in == c_out

    def forward(self, x: Tensor, gates: Tensor) -> Tensor:
        """x (N, C, H, W), gates (operations,), or stacks of both."""
        out = gated_sum(x, self.candidates, gates.unsqueeze(-2), self.channels).squeeze(1)
        return out + x if self.shortcut else out


class Supernet(nn.Module):
    """All operations of the space at once, gates used as they are. gate_draws as in the DARTS supernet; path_draws
    (blocks,), uniform, are there to choose one operation of each block at random.

    Convolutions are drawn from N(0, 2 / (kernel area * output channels)), whatever their groups, the classifier's
    weight from U(-1, 1) / sqrt(inputs); its bias is 0. As in the release PyTorch's own initialisation is drawn before.
    """

    takes_stacks = True

    def __init__(self, channels: int, image_size: int, classes: int):
        super().__init__()
        self.image_shape = (3, image_size, image_size)
        width = widths(channels)
        self.stem = stem(channels, EPS_SEARCH)
        self.blocks = nn.ModuleList()
        before = width(FIRST)
        for block_width, stride in space.BLOCKS:
            self.blocks.append(Choice(before, width(block_width), stride))
            before = width(block_width)
        self.last = nn.Sequential(*conv_bn(before, width(LAST), 1, 1, EPS_SEARCH), nn.ReLU6())
        self.classifier = nn.Linear(width(LAST), classes)
        self._initialise()
        self.gate_draws = {"blocks": torch.randn(len(space.BLOCKS), len(space.OPERATIONS))}
        self.path_draws = torch.rand(len(space.BLOCKS))

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.out_channels * module.kernel_size[0] ** 2
                nn.init.normal_(module.weight, 0, (2 / fan_out) ** 0.5)
            elif isinstance(module, nn.Linear):
                bound = module.in_features**-0.5
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.bias)

    def multiply_adds(self) -> tuple[int, list[list[int]]]:
        """For one image: those of all that every network has, and those of each candidate of each block. Convolutions,
        and the linear layer without its bias, as the release's search counts."""
        fixed, size = _multiply_adds(self.stem, self.image_shape[1])
        candidates = []
        for block in self.blocks:
            counted = [_multiply_adds(candidate, size) for candidate in block.candidates]
            candidates.append([products for products, _ in counted])
            size = counted[0][1]
        return fixed + _multiply_adds(self.last, size)[0] + self.classifier.weight.numel(), candidates

    @property
    def segments(self) -> list[Callable[[Tensor, dict[str, Tensor]], Tensor]]:
        """`forward` in pieces, called in turn as segment(x, gates), each on what the one before gave."""

        def block(index: int):
            return lambda x, gates: self.blocks[index](x, gates["blocks"][..., index, :])

        return [
            lambda images, gates: self.stem(images),
            *(block(index) for index in range(len(self.blocks))),
            lambda x, gates: self.classifier(self.last(x).mean((2, 3))),
        ]

    def forward(self, images: Tensor, gates: dict[str, Tensor]) -> Tensor:
        """images (N, 3, H, W), gates (blocks, operations) -> logits (N, classes)."""
        x = images
        for segment in self.segments:
            x = segment(x, gates)
        return x


class Block(nn.Module):
    """One operation, and a shortcut where it changes neither size nor width."""

    def __init__(self, operation: int, c_in: int, c_out: int, stride: int):
        super().__init__()
        kernel, expansion = space.SIZES[operation]
        self.operation = mbconv(c_in, c_out, kernel, stride, expansion, EPS_RETRAIN)
        self.shortcut = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        return self.operation(x) + x if self.shortcut else self.operation(x)


class Network(nn.Module):
    """The network that is trained for a genotype. It has neither drop path nor an auxiliary head."""

    def __init__(self, genotype: space.Genotype, channels: int, image_size: int, classes: int):
        super().__init__()
        self.image_shape = (3, image_size, image_size)
        width = widths(channels)
        self.stem = stem(channels, EPS_RETRAIN)
        self.blocks = nn.Sequential()
        before = width(FIRST)
        for operation, (block_width, stride) in zip(genotype.operations, space.BLOCKS, strict=True):
            if operation != space.OMITTED:
                self.blocks.append(Block(operation, before, width(block_width), stride))
                before = width(block_width)
        self.last = nn.Sequential(*conv_bn(before, width(LAST), 1, 1, EPS_RETRAIN), nn.ReLU6())
        self.pool = nn.AvgPool2d(-(-image_size // 32))  # 7 for 224: the size after the stem and four strides of 2
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(width(LAST), classes)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        """images (N, 3, H, W) -> logits (N, classes), and None for the auxiliary head it does not have. A genotype that
        `space.untrainable` names gives more than N rows, as in the release."""
        features = self.pool(self.last(self.blocks(self.stem(images))))
        return self.classifier(self.dropout(features.reshape(-1, self.classifier.in_features))), None
