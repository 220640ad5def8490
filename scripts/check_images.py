"""Check an image folder before a GPU is asked for, and write its manifest: images of every class, digest of the names.

The folder lies, or is linked to, beside the manifest: for data/imagenet.json, data/imagenet/ with train/ and val/.
"""

import argparse
import hashlib
import os
from pathlib import Path

from freedarts import tasks
from freedarts.files import InputError, run, write_json
from freedarts.tasks import folders, images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, choices=tasks.FOLDERS)
    parser.add_argument("--output", required=True, type=Path, help="manifest NAME.json")
    arguments = parser.parse_args()
    folder = arguments.output.with_suffix("")
    facts = tasks.DATASETS[arguments.dataset]
    train = _check(folder / "train", facts.classes, facts.train_images)
    test = _check(folder / "val", facts.classes, facts.test_images, facts.test_images // facts.classes)
    tasks.same_classes(folder, train["images"], test["images"], "val")
    write_json(arguments.output, {"dataset": arguments.dataset, "train": train, "val": test})


def _check(folder: Path, classes: int, total: int, each: int | None = None) -> dict:
    """Counts per class and a digest of all names and sizes; the first image of every class must open. total: of the
    images that there must be; each: in every class, where all have as many."""
    class_paths = folders.class_folders(folder)
    if len(class_paths) != classes:
        raise InputError(
            f"{folder}: has {len(class_paths)} class folders, expected {classes}; put or link the images there"
        )
    counts, digest = {}, hashlib.sha256()
    for path in class_paths:
        sizes = folders.sizes(path)
        if each and len(sizes) != each:
            raise InputError(f"{path}: has {len(sizes)} images, expected {each}")
        images.decode(path / next(iter(sizes)))
        counts[path.name] = len(sizes)
        for name, size in sizes.items():
            digest.update(os.fsencode(f"{path.name}/{name} {size}\n"))
    if (count := sum(counts.values())) != total:
        fewest = min(counts, key=counts.get)
        raise InputError(f"{folder}: has {count} images, expected {total}; fewest, {counts[fewest]}, in {fewest}/")
    return {"images": counts, "sha256": digest.hexdigest()}


if __name__ == "__main__":
    run(main)
