"""ImageNet (ILSVRC 2012) at 224x224 pixels, from folders train/ and val/ with a folder for each of 1,000 classes."""

from pathlib import Path

from torchvision.transforms import CenterCrop, Compose, PILToTensor, RandomHorizontalFlip, RandomResizedCrop, Resize

from freedarts.files import InputError, read_json
from freedarts.tasks import folders
from freedarts.tasks.imagefolder import FolderData, Listed

CONSTANTS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and standard deviation
TRAIN = Compose([RandomResizedCrop(224), RandomHorizontalFlip(), PILToTensor()])
TEST = Compose([Resize(256), CenterCrop(224), PILToTensor()])


def load(folder: Path, workers: int, color_jitter: bool = False) -> FolderData:
    """The release trains DARTS networks with changes of color, MobileNet networks without. InputError unless each class
    has as many images as when the manifest beside the folder was made."""
    manifest = folder.with_suffix(".json")
    stated = read_json(manifest, ("train", "val"))
    parts = []
    for part, transform in (("train", TRAIN), ("val", TEST)):
        classes, counts = folders.class_folders(folder / part), stated[part]["images"]
        images = {path.name: [f"{path.name}/{image.name}" for image in folders.files(path)] for path in classes}
        for name in sorted(images | counts):
            if (has := len(images.get(name, []))) != (expected := counts.get(name, 0)):
                raise InputError(
                    f"{folder / part / name}: has {has} images, expected {expected}, as when {manifest} was made"
                )
        parts.append(Listed(folder / part, images, transform))
    return FolderData(*parts, workers, CONSTANTS, color_jitter)
