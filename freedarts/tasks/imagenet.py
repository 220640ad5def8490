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

from freedarts.tasks.imagefolder import FolderData

NORMALISE = Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
TRAIN = Compose(
    [RandomResizedCrop(224), RandomHorizontalFlip(), ColorJitter(0.4, 0.4, 0.4, 0.2), ToTensor(), NORMALISE]
)
TEST = Compose([Resize(256), CenterCrop(224), ToTensor(), NORMALISE])


def load(folder: Path, workers: int) -> FolderData:
    return FolderData(folder / "train", folder / "val", TRAIN, TEST, workers)
