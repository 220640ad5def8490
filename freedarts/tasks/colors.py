"""Random brightness, contrast, saturation and hue of a batch, as torchvision's ColorJitter changes one image: on the
device, all images at once."""

import torch
from torch import Tensor
from torchvision.transforms import ColorJitter
from torchvision.transforms.functional import rgb_to_grayscale

JITTER = ColorJitter(0.4, 0.4, 0.4, 0.2)


def draw() -> Tensor:
    """What ColorJitter draws for an image, (8,): the order of the four changes, and by how much each."""
    order, *factors = JITTER.get_params(JITTER.brightness, JITTER.contrast, JITTER.saturation, JITTER.hue)
    return torch.cat([order.double(), torch.tensor(factors, dtype=torch.float64)])


def change(images: Tensor, draws: Tensor) -> Tensor:
    """Of images (N, 3, H, W), numbers from 0 to 1, each as its row of *draws* (N, 8), which lie on the CPU, says. Not
    rounded to bytes between the changes, as Pillow's are."""
    images, there = images.clone(), draws.to(images.device, non_blocking=True)
    for place in range(4):
        # On the CPU, so that no one waits for the device.
        counts = draws[:, place].long().bincount(minlength=4).tolist()
        groups = there[:, place].argsort().split(counts)
        for which, (chosen, apply) in enumerate(zip(groups, (_brighten, _contrast, _saturate, _turn), strict=True)):
            if len(chosen):
                factor = there[chosen, 4 + which].view(-1, 1, 1, 1).to(images.dtype)
                images[chosen] = apply(images[chosen], factor)
    return images


def _blend(images: Tensor, others: Tensor | float, factor: Tensor) -> Tensor:
    return (factor * images + (1 - factor) * others).clamp(0, 1)


def _brighten(images: Tensor, factor: Tensor) -> Tensor:
    return _blend(images, 0.0, factor)


def _contrast(images: Tensor, factor: Tensor) -> Tensor:
    return _blend(images, rgb_to_grayscale(images).mean((1, 2, 3), keepdim=True), factor)


def _saturate(images: Tensor, factor: Tensor) -> Tensor:
    return _blend(images, rgb_to_grayscale(images), factor)


def _turn(images: Tensor, turns: Tensor) -> Tensor:
    """The hue by so many *turns* of the circle: each color is its largest part less a share of the chroma that depends
    on the hue's distance (https://en.wikipedia.org/wiki/HSL_and_HSV, HSV to RGB alternative)."""
    largest, chroma = images.amax(1, keepdim=True), images.amax(1, keepdim=True) - images.amin(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    sixths = torch.where(
        largest == red, green - blue, torch.where(largest == green, 2 * chroma + blue - red, 4 * chroma + red - green)
    )
    sixths = sixths / torch.where(chroma == 0, 1.0, chroma)
    places = torch.arange(5, 0, -2, device=images.device).view(1, 3, 1, 1)
    distance = (places + sixths + 6 * turns) % 6
    return largest - chroma * torch.minimum(distance, 4 - distance).clamp(0, 1)
