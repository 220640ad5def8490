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

from freedarts.files import InputError, read_json
from freedarts.tasks import folders
from freedarts.tasks.imagefolder import FolderData, Listed

NORMALISE = Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
TEST = Compose([Resize(256), CenterCrop(224), ToTensor(), NORMALISE])


def train_transform(color_jitter: bool) -> Compose:
    """The release trains DARTS networks with changes of color, MobileNet networks without."""
    jitter = [ColorJitter(0.4, 0.4, 0.4, 0.2)] if color_jitter else []
    return Compose([RandomResizedCrop(224), RandomHorizontalFlip(), *jitter, ToTensor(), NORMALISE])


def load(folder: Path, workers: int, color_jitter: bool = False) -> FolderData:
    """InputError unless each class has as many images as when the manifest beside the folder was made."""
    manifest = folder.with_suffix(".json")
    stated = read_json(manifest, ("train", "val"))
    parts = []
    for part, transform in (("train", train_transform(color_jitter)), ("val", TEST)):
        classes, counts = folders.class_folders(folder / part), stated[part]["images"]
        images = {path.name: [f"{path.name}/{image.name}" for image in folders.files(path)] for path in classes}
        for name in sorted(images | counts):
            if (has := len(images.get(name, []))) != (expected := counts.get(name, 0)):
                raise InputError(
                    f"{folder / part / name}: has {has} images, expected {expected}, as when {manifest} was made"
                )
        parts.append(Listed(folder / part, images, transform))
    return FolderData(*parts, workers)
