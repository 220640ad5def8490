"""Check an image folder before a GPU is asked for, and write its manifest: images of every class, digest of the names.

The folder lies, or is linked to, beside the manifest: for data/imagenet.json, data/imagenet/ with train/ and val/.
"""

import argparse
import hashlib
from pathlib import Path

from freedarts import images, tasks
from freedarts.files import InputError, run, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", required=True, type=int, help="classes that each part must have")
    parser.add_argument("--output", required=True, type=Path, help="manifest NAME.json")
    arguments = parser.parse_args()
    folder = arguments.output.with_suffix("")
    manifest = {part: _check(folder / part, arguments.classes) for part in ("train", "val")}
    tasks.same_classes(folder, manifest["train"]["images"], manifest["val"]["images"], "val")
    write_json(arguments.output, {"dataset": folder.name, **manifest})


def _check(folder: Path, classes: int) -> dict:
    """Counts per class and a digest of all names and sizes; the first image of every class must open."""
    found = images.class_folders(folder) if folder.is_dir() else []
    if len(found) != classes:
        raise InputError(f"{folder}: has {len(found)} class folders, expected {classes}; put or link the images there")
    counts, digest = {}, hashlib.sha256()
    for path in found:
        sizes = images.files(path)
        images.read(path / next(iter(sizes)), 1)
        counts[path.name] = len(sizes)
        for name, size in sizes.items():
            digest.update(f"{path.name}/{name} {size}\n".encode())
    return {"images": counts, "sha256": digest.hexdigest()}


if __name__ == "__main__":
    run(main)
