"""Reads the benchmark from the files in which it is published, one architecture at a time."""

import bz2
import hashlib
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from freedarts.files import InputError
from freedarts.nasbench201.pickles import DAMAGE, Machine, Unpickler

Progress = Callable[[int], object]  # called with the number of bytes done since its last call
Results = dict[str, dict]  # {"12": results of 12 epochs, "200": results of 200 epochs}, as the benchmark keeps them

MAGIC = 0x1950A86A20F9469CFC6C  # of torch.save, until version 1.5
ENTRIES = "arch2infos"
LAYOUTS = "a torch file, or a NATS-Bench tss simple folder or tar"


def files(source: Path) -> list[Path]:
    """The files of a source, which is one itself or a folder of them."""
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    return [source] if source.is_file() else sorted(file for file in source.iterdir() if file.is_file())


def sha256(source: Path, md5_tail: str | None, progress: Progress) -> str:
    """The sha256 of a file, or of the lines `sha256  name` of a folder's files.

    md5_tail: what the md5 of the file must end in; by default taken from a name like `NAS-Bench-201-v1_1-096897.pth`,
    which is all that the authors publish of it. Raises InputError where it does not.
    """
    if md5_tail is None and (named := re.search(r"-([0-9a-f]{6})\.pth$", source.name)):
        md5_tail = named[1]
    if md5_tail and not source.is_file():
        raise InputError(f"{source}: is not a file, so it has no md5 that could end in {md5_tail}")
    digests = {}
    for path in files(source):
        sha, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                sha.update(chunk)
                if md5_tail:
                    md5.update(chunk)
                progress(len(chunk))
        digests[path.name] = sha.hexdigest()
    if md5_tail and not md5.hexdigest().endswith(md5_tail.lower()):
        raise InputError(
            f"{source}: its md5 is {md5.hexdigest()}, expected one that ends in {md5_tail}; "
            "the file is incomplete, damaged or another one"
        )
    if source.is_file():
        return digests[source.name]
    return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()).hexdigest()


def architectures(source: Path, progress: Progress) -> Iterator[tuple[int, Results]]:
    """(index, results) of every architecture, in the order of the source. Raises InputError for any other file."""
    try:
        if source.is_dir() or tarfile.is_tarfile(source):
            yield from _nats_bench(source, progress)
        else:
            yield from _torch_file(source, progress)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError) as error:
        raise InputError(f"{source}: cut short, or not {LAYOUTS} ({error})") from None
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error})") from None
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


class _Counted(io.RawIOBase):
    """A file that reports its reads."""

    def __init__(self, file: BinaryIO, progress: Progress):
        self.file, self.progress = file, progress

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.progress(len(data))
        return data


def _torch_file(path: Path, progress: Progress) -> Iterator[tuple[int, Results]]:
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == b"PK\3\4":
            with zipfile.ZipFile(file) as archive:
                names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
                if len(names) != 1:
                    raise InputError(f"a zip file that is not {LAYOUTS}")
                with archive.open(names[0]) as member:
                    yield from _entries(Machine(_Counted(member, progress)))
            return
        machine = Machine(_Counted(file, progress))
        # The older layout: five pickles, of which the magic number, the version and the machine come first.
        if start[:1] != b"\x80" or machine.load() != MAGIC:
            raise InputError(f"not {LAYOUTS}")
        machine.load(), machine.load()
        yield from _entries(machine)
        if machine.load() != []:
            raise InputError("holds tensors; a NAS-Bench-201 file has none")


def _entries(machine: Machine) -> Iterator[tuple[int, Results]]:
    seen = set()
    run = machine.run(ENTRIES)
    try:
        while True:
            index, value = next(run)
            if type(index) is not int:
                raise InputError(f"{ENTRIES} has a key that is no index but a {type(index).__name__}")
            if not isinstance(value, dict) or not {"less", "full"} <= value.keys():
                raise InputError(f"architecture {index}: no results 'less' and 'full'")
            seen.add(index)
            yield index, {"12": value["less"], "200": value["full"]}
    except StopIteration as stop:
        top = stop.value
    if not isinstance(top, dict) or not isinstance(expected := top.get("evaluated_indexes"), list) or not seen:
        raise InputError(f"not a NAS-Bench-201 file: no {ENTRIES} and evaluated_indexes")
    if sorted(seen) != expected:
        raise InputError(f"evaluated_indexes does not list the {len(seen)} architectures of {ENTRIES}; is it damaged?")


def _nats_bench(path: Path, progress: Progress) -> Iterator[tuple[int, Results]]:
    found = False
    for name, raw in _members(path):
        progress(len(raw))
        if (match := re.fullmatch(r"(\d{6})\.pickle\.pbz2", name)) is None:
            continue
        try:
            value = Unpickler(io.BytesIO(bz2.decompress(raw))).load()
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        except (*DAMAGE, OSError) as error:
            raise InputError(f"{name}: cut short or damaged ({error})") from None
        if not isinstance(value, dict) or not {"12", "200"} <= value.keys():
            raise InputError(f"{name}: no results '12' and '200'")
        found = True
        yield int(match[1]), {"12": value["12"], "200": value["200"]}
    if not found:
        raise InputError(f"holds no file 000000.pickle.pbz2 or the like, so it is not {LAYOUTS}")


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in files(path):
            yield file.name, file.read_bytes()
    else:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if member.isfile():
                    yield Path(member.name).name, archive.extractfile(member).read()
