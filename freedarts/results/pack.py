"""The results that the tables show, with their manifest, in one zip file, and back."""

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from freedarts.files import InputError, exists, parse_json, read_bytes, reading, replace_file, sha256_of
from freedarts.results import manifest
from freedarts.results.verify import damaged


def pack(target: Path, source: Path = manifest.NAME) -> int:
    """source: the manifest of the results. Returns the number of files. InputError where the results are not as it
    says."""
    stated = manifest.read(source)
    files = {**stated["files"], **stated["tables"]}
    if lines := list(damaged(files)):
        raise InputError("\n  ".join(["the results are not as the manifest says; run snakemake first", *lines]))

    def write(partial: Path) -> None:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in (str(source), *files):
                # A date of its own would make two packs of the same results differ.
                archive.writestr(zipfile.ZipInfo(name), read_bytes(Path(name)), zipfile.ZIP_DEFLATED)

    replace_file(target, write)
    return len(files) + 1


def unpack(source: Path) -> int:
    """Place the results in the current folder. Returns the number of files that were not there."""
    try:
        with reading(source), source.open("rb") as file, zipfile.ZipFile(file) as archive:
            contents = _checked(archive, source)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise InputError(f"{source}: not a whole zip file ({error}); is it cut short?") from None
    # results/ may be a link, to another disk; one below it would lead to what is not the results'.
    for name in contents:
        inside = Path(name).resolve()
        if not inside.is_relative_to(Path("results").resolve()):
            raise InputError(f"{name}: leads to {inside} here, outside of results/")
    new = {name: content for name, content in contents.items() if not exists(Path(name))}
    for name, content in contents.items():
        if name not in new and read_bytes(Path(name)) != content:
            raise InputError(f"{name}: is here already, and differs from that in {source}; move it away first")
    for name, content in new.items():
        replace_file(Path(name), lambda partial, content=content: partial.write_bytes(content))
    return len(new)


def _checked(archive: zipfile.ZipFile, source: Path) -> dict[str, bytes]:
    """The content of every file, by its path; it is what the manifest in it says."""
    for entry in archive.infolist():
        path, kind = PurePosixPath(entry.filename), stat.S_IFMT(entry.external_attr >> 16)
        if path.is_absolute() or ".." in path.parts or path.parts[:1] != ("results",) or "\\" in entry.filename:
            raise InputError(f"{source}: holds {entry.filename!r}; allowed: paths in results/")
        if entry.is_dir() or kind not in (0, stat.S_IFREG):
            raise InputError(f"{source}: {entry.filename} is a folder, a link or a device; allowed: files")
    names = archive.namelist()
    its = next((name for name in names if manifest.is_one(Path(name))), None)
    if its is None:
        raise InputError(f"{source}: no {manifest.NAME}; expected what `freedarts pack` wrote")
    stated = archive.read(its)
    where = f"{source}: {its}"
    found = manifest.check(parse_json(stated, where, ("format",)), where)
    expected = {**found["files"], **found["tables"]}
    if odd := sorted({*expected, its} ^ set(names)) or sorted(n for n in names if names.count(n) > 1):
        raise InputError(f"{source}: {odd[0]}: not once in both the manifest and the archive")
    contents = {name: archive.read(name) for name in expected}
    for name, content in contents.items():
        if sha256_of(content) != expected[name]:
            raise InputError(f"{source}: {name}: wrong digest; expected {expected[name]}")
    return {**contents, its: stated}
