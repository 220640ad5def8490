"""ImageNet (ILSVRC 2012) at 224x224 pixels, from folders train/ and val/ with a folder for each of 1,000 classes."""

from pathlib import Path

from torchvision import transforms as T

from freedarts.files import InputError, read_json
from freedarts.tasks import folders, images
from freedarts.tasks.imagefolder import FolderData, Listed

CONSTANTS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and standard deviation
TRAIN = T.Compose([T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.PILToTensor()])
TEST = T.Compose([T.Lambda(images.slim), T.Resize(256), T.CenterCrop(224), T.PILToTensor()])


def load(folder: Path, workers: int, color_jitter: bool = False) -> FolderData:
    """The release trains DARTS networks with changes of color, MobileNet networks without. InputError unless each class
    has as many images as when the manifest beside the folder was made."""
    manifest = folder.with_suffix(".json")
    stated = read_json(manifest, ("train", "val"))
    parts = []
    for part, transform in (("train", TRAIN), ("val", TEST)):
        classes, counts = folders.class_folders(folder / part), stated[part]["images"]
        listed = {path.name: [f"{path.name}/{image.name}" for image in folders.files(path)] for path in classes}
        for name in sorted(listed | counts):
            if (has := len(listed.get(name, []))) != (expected := counts.get(name, 0)):
                raise InputError(
                    f"{folder / part / name}: has {has} images, expected {expected}, as when {manifest} was made"
                )
        parts.append(Listed(folder / part, listed, transform))
    return FolderData(*parts, workers, CONSTANTS, color_jitter)
