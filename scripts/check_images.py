"""Check an image folder before a GPU is asked for, and write its manifest: images of every class, digest of the names.

The folder lies, or is linked to, beside the manifest: for data/imagenet.json, data/imagenet/ with train/ and val/.
"""

import argparse
import hashlib
from pathlib import Path

from PIL import Image

from freedarts.files import InputError, run, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", required=True, type=int, help="classes that each part must have")
    parser.add_argument("--output", required=True, type=Path, help="manifest NAME.json")
    arguments = parser.parse_args()
    folder = arguments.output.with_suffix("")
    manifest = {part: _check(folder / part, arguments.classes) for part in ("train", "val")}
    if different := sorted(set(manifest["train"]["images"]) ^ set(manifest["val"]["images"])):
        raise InputError(f"{folder}: class {different[0]!r} is in only one of train/ and val/")
    write_json(arguments.output, {"dataset": folder.name, **manifest})


def _check(folder: Path, classes: int) -> dict:
    """Counts per class and a digest of all names and sizes; the first image of every class must open."""
    found = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if len(found) != classes:
        raise InputError(f"{folder}: has {len(found)} class folders, expected {classes}; put or link the images there")
    counts, digest = {}, hashlib.sha256()
    for path in found:
        files = sorted(entry for entry in path.iterdir() if entry.is_file())
        if not files:
            raise InputError(f"{path}: is empty, expected images")
        try:
            with Image.open(files[0]) as image:
                image.convert("RGB")
        except OSError as error:
            raise InputError(f"{files[0]}: cannot be read as an image ({error})") from None
        counts[path.name] = len(files)
        for entry in files:
            digest.update(f"{path.name}/{entry.name} {entry.stat().st_size}\n".encode())
    return {"images": counts, "sha256": digest.hexdigest()}


if __name__ == "__main__":
    run(main)
