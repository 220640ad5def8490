"""A small search space: four convolutions in a row, each of one of three widths. One file, named under `space` in a
configuration."""

from dataclasses import dataclass
from typing import ClassVar

from freedarts.files import InputError

OPERATIONS = ("quarter", "half", "whole")  # of the width that a layer may have
PARTS = {"quarter": 4, "half": 2, "whole": 1}
LAYERS = 4
GATES = {"layers": LAYERS}
EDGES = tuple((layer, layer + 1) for layer in range(LAYERS))
DRAWN = tuple(map(str, range(LAYERS + 1)))
LARGEST = "whole"


@dataclass(frozen=True)
class Genotype:
    """The width of each layer."""

    widths: tuple[str, ...]
    space: ClassVar[str]

    def to_json(self) -> dict:
        return {"space": self.space, "widths": list(self.widths)}


def parse(value: dict, where: str) -> Genotype:
    widths = value.get("widths")
    if set(value) != {"space", "widths"} or not isinstance(widths, list) or len(widths) != LAYERS:
        raise InputError(f"{where}: expected {LAYERS} widths, one per layer")
    for layer, width in enumerate(widths):
        if width not in OPERATIONS:
            raise InputError(f"{where}: widths[{layer}]: {width!r}; allowed: {', '.join(OPERATIONS)}")
    return Genotype(tuple(widths))


def derive(scores: dict[str, list[list[float]]]) -> Genotype:
    """The strongest width of each layer."""
    return Genotype(tuple(OPERATIONS[row.index(max(row))] for row in scores["layers"]))


def kept(genotype: Genotype) -> dict[str, list[tuple[int, int]]]:
    return {"layers": [(layer, OPERATIONS.index(width)) for layer, width in enumerate(genotype.widths)]}


def option_faults(options: dict, final: bool = False, smallest_batch: int | None = None):
    if options["channels"] < 4 or options["channels"] % 4:
        yield f"channels: {options['channels']}; allowed: multiples of 4, which has a quarter"


def supernet(channels: int, image_size: int, classes: int):
    """Each layer is the sum of its candidates, times their gates; missing channels of the narrower ones are zero."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Supernet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, channels, 3, 2, 1, bias=False)
            self.layers = nn.ModuleList(
                nn.ModuleList(block(channels, channels // part) for part in PARTS.values()) for _ in range(LAYERS)
            )
            self.classifier = nn.Linear(channels, classes)
            self.image_shape = (3, image_size, image_size)
            self.gate_draws = {"layers": torch.randn(LAYERS, len(OPERATIONS))}

        def forward(self, images, gates):
            x = self.stem(images)
            for layer, row in zip(self.layers, gates["layers"], strict=True):
                outputs = [candidate(x) for candidate in layer]
                wide = [F.pad(out, (0, 0, 0, 0, 0, channels - out.shape[1])) for out in outputs]
                x = sum(gate * out for gate, out in zip(row, wide, strict=True))
            return self.classifier(x.mean((2, 3)))

    return Supernet()


def network(genotype: Genotype, channels: int, image_size: int, classes: int):
    """The layers of the chosen widths. It returns logits, and None for the auxiliary head that it does not have."""
    from torch import nn

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [channels, *(channels // PARTS[width] for width in genotype.widths)]
            self.stem = nn.Conv2d(3, channels, 3, 2, 1, bias=False)
            self.layers = nn.Sequential(*(block(*widths[i : i + 2]) for i in range(LAYERS)))
            self.classifier = nn.Linear(widths[-1], classes)
            self.image_shape = (3, image_size, image_size)

        def forward(self, images):
            return self.classifier(self.layers(self.stem(images)).mean((2, 3))), None

    return Network()


def block(c_in: int, c_out: int):
    from torch import nn

    return nn.Sequential(nn.ReLU(), nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out))
