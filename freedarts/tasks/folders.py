"""Image folders of the user's: what is in them, read without opening an image, and their normalisation constants.

Planning asks for the listing, so nothing here imports PIL, NumPy or torch by itself."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING

from freedarts.files import InputError
from freedarts.tasks import Facts, same_classes

if TYPE_CHECKING:
    import numpy as np

EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

Part = dict[str, list[str]]  # class -> its images, relative to the data set's folder, sorted


@dataclass(frozen=True)
class Listing:
    """The images of a data set; sha256: of all relative paths and sizes in bytes."""

    train: Part
    test: Part
    sha256: str

    def facts(self, image_size: int) -> Facts:
        train, test = (sum(map(len, part.values())) for part in (self.train, self.test))
        return Facts(len(self.train), image_size, train, train, test)


def class_folders(folder: Path) -> list[Path]:
    """The folders in *folder*, sorted; hidden ones do not count. None where there is no *folder*. InputError for a link
    to nothing, which may be meant for one."""
    if not folder.is_dir():
        return []
    entries = (entry for entry in os.scandir(folder) if not entry.name.startswith(".") and _is_folder(entry))
    return sorted(map(Path, entries), key=lambda path: path.name)


def files(folder: Path) -> list[os.DirEntry]:
    """The images of one class, sorted; hidden files do not count. InputError if there are none, and for what is no
    image by its name."""
    images = sorted(filter(_is_image, os.scandir(folder)), key=lambda entry: entry.name)
    if not images:
        raise InputError(f"{folder}: is empty, expected images")
    return images


def sizes(folder: Path) -> dict[str, int]:
    """Name and bytes of each of `files`. InputError for an empty one."""
    bytes_of = {entry.name: entry.stat().st_size for entry in files(folder)}
    if empty := [name for name, size in bytes_of.items() if not size]:
        raise InputError(f"{folder / empty[0]}: has 0 bytes, expected an image")
    return bytes_of


def listing(folder: str, test_fraction: float | None = None, split_seed: int = 0, **_) -> Listing:
    """The images of an entry of the configuration's `datasets`: train/ and test/ (or val/) with a folder a class, or
    such folders themselves, of which *test_fraction* of each class, at least one image, is to test on. One of these
    may be called train, if it holds images alone and is not beside test/ or val/.

    Which images those are depends on their names and *split_seed* alone. Raises InputError that names the folder or
    file that does not fit.
    """
    try:
        return _listing(Path(folder), test_fraction, split_seed)
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None


def _listing(root: Path, test_fraction: float | None, split_seed: int) -> Listing:
    digest = hashlib.sha256()
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; expected class folders, or train/ and test/ with class folders")
    names = {path.name for path in class_folders(root)}
    tested = names & {"test", "val"}
    class_train = test_fraction is not None and not tested and not class_folders(root / "train")
    if "train" not in names or class_train:
        if test_fraction is None:
            raise InputError(f"{root}: has no train/, so test_fraction is needed, the part of each class to test on")
        everything = _part(root, root, digest)
        test = {name: _drawn(root / name, images, test_fraction, split_seed) for name, images in everything.items()}
        train = {name: [image for image in images if image not in test[name]] for name, images in everything.items()}
        return Listing(train, {name: sorted(images) for name, images in test.items()}, digest.hexdigest())
    if not tested:
        raise InputError(
            f"{root}: has train/, but neither test/ nor val/; where train is a class, with images alone in its folder,"
            " test_fraction is needed"
        )
    if test_fraction is not None:
        raise InputError(f"{root}: has a part to test on, but test_fraction is {test_fraction}; leave it out")
    test_name = min(tested)  # test, where both are there
    train, test = (_part(root, root / part, digest) for part in ("train", test_name))
    same_classes(root, train, test, test_name)
    return Listing(train, test, digest.hexdigest())


def _part(root: Path, folder: Path, digest: hashlib._Hash) -> Part:
    part = {}
    for path in class_folders(folder):
        place = path.relative_to(root).as_posix()
        images = {f"{place}/{name}": size for name, size in sizes(path).items()}
        part[path.name] = list(images)
        for image, size in images.items():
            digest.update(os.fsencode(f"{image} {size}\n"))
    if len(part) < 2:
        raise InputError(f"{folder}: has {len(part)} class folders, expected 2 or more, each with images of its class")
    return part


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        entry.stat()
    except FileNotFoundError:
        raise InputError(f"{entry.path}: is a link to {os.readlink(entry.path)}, which is not there") from None
    return entry.is_dir()


def _is_image(entry: os.DirEntry) -> bool:
    """By its name alone. InputError for what is neither that nor hidden."""
    if entry.name.startswith("."):
        return False
    if entry.is_dir():
        raise InputError(f"{entry.path}: is a folder; expected images alone in the folder of a class")
    if not entry.name.lower().endswith(EXTENSIONS):
        raise InputError(f"{entry.path}: not an image by its name; expected {', '.join(EXTENSIONS)}")
    return True


def _drawn(folder: Path, images: list[str], fraction: float, seed: int) -> set[str]:
    """The images of a class to test on: those whose names, hashed with the seed, come first, so that a new image moves
    at most one other to the other part."""
    if len(images) < 2:
        raise InputError(f"{folder}: has 1 image, expected at least 2, to train and to test on")
    count = min(max(1, round(len(images) * fraction)), len(images) - 1)
    return set(sorted(images, key=lambda image: hashlib.sha256(os.fsencode(f"{seed} {image}")).digest())[:count])


def constants(root: Path, listed: Listing, size: int, threads: int) -> tuple[list[float], list[float]]:
    """Read every image once. Returns mean and standard deviation of the pixels to train on, a number from 0 to 1 for
    each color.

    Raises InputError that names the first image that cannot be read, and says how many others there are.
    """
    import numpy as np

    from freedarts.tasks import images

    def sums(image: str) -> np.ndarray | InputError:
        try:
            pixels = images.read(root / image, size).reshape(-1, 3).astype(np.int64)
        except InputError as error:
            return error
        return np.stack([pixels.sum(0), (pixels**2).sum(0)])  # whole numbers: exact in any order

    train, test = ([image for images in part.values() for image in images] for part in (listed.train, listed.test))
    total, broken = np.zeros((2, 3), np.int64), []
    with ThreadPool(threads) as pool:
        for index, result in enumerate(pool.imap(sums, train + test, chunksize=16)):
            if isinstance(result, InputError):
                broken.append(result)
            elif index < len(train):
                total += result
    if broken:
        raise InputError(f"{broken[0]}" + (f"; {len(broken) - 1} more images" if broken[1:] else ""))
    count = len(train) * size * size
    mean = total[0] / count
    std = np.sqrt(total[1] / count - mean**2)
    if not std.all():
        raise InputError(f"{root}: all pixels to train on have one value in a color; such images cannot be normalised")
    return (mean / 255).tolist(), (std / 255).tolist()
