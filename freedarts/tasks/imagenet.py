"""ImageNet (ILSVRC 2012) at 224x224 pixels, from folders train/ and val/ with a folder for each of 1,000 classes."""

from pathlib import Path

from torchvision.transforms import (
    CenterCrop,
    ColorJitter,
    Compose,
    Normalize,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
    ToTensor,
)

from freedarts.tasks.imagefolder import FolderData, two_parts

NORMALISE = Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
TEST = Compose([Resize(256), CenterCrop(224), ToTensor(), NORMALISE])


def train_transform(color_jitter: bool) -> Compose:
    """The release trains DARTS networks with changes of color, MobileNet networks without."""
    jitter = [ColorJitter(0.4, 0.4, 0.4, 0.2)] if color_jitter else []
    return Compose([RandomResizedCrop(224), RandomHorizontalFlip(), *jitter, ToTensor(), NORMALISE])


def load(folder: Path, workers: int, color_jitter: bool = False) -> FolderData:
    return FolderData(*two_parts(folder / "train", folder / "val", train_transform(color_jitter), TEST), workers)
