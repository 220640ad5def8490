"""The manifest of the tables: digests of all that they were made from, and what made it. Imports neither torch nor
pandas."""

from pathlib import Path

from freedarts.files import VERSION, InputError, exists, read_json, reading, sha256, sha256_of
from freedarts.study import kinds, paths, run_folder
from freedarts.study.code import commit

NAME = Path("results/manifest.json")
TABLES = "tables.md"  # beside it
FORMAT = 3  # of the manifest; another one is refused
KEYS = ("settings", "published", "files", "tables")


def make(selected: dict, published: dict[str, Path], tables: dict[str, str]) -> dict:
    """selected, published: as assembly.build takes them. tables: the texts that it made, by their file.

    Raises InputError where a training's files are not those that it wrote."""
    files, made_by, devices = {}, set(), set()
    for path in kinds.files(selected["results"]):
        kind = kinds.of(path)
        if kind.beside:
            run_folder.check(Path(path))
        result = read_json(Path(path), kind.keys)
        versions = result.get("versions", {})
        made_by.add(", ".join(f"{name} {version}" for name, version in sorted(versions.items())))
        devices.add(result.get("device"))
        # Snakemake's measurements may be gone, and are no reason to make anything again.
        files |= {name: sha256(Path(name)) for name in (path, *kind.companions(path)) if exists(Path(name))}
    at = commit()
    return {
        "format": FORMAT,
        "version": VERSION,
        "commit": at and at.removesuffix("+"),
        "dirty": at and at.endswith("+"),
        "versions": sorted(filter(None, made_by)),
        "devices": sorted(filter(None, devices)),
        "settings": selected,
        "published": {name: sha256(path) for name, path in published.items()},
        "files": files,
        "tables": {name: sha256_of(text.encode()) for name, text in tables.items()},
    }


def of(name: str | None) -> Path:
    """That of a configuration, by its name if it has one."""
    return NAME.with_name(name) / NAME.name if name else NAME


def is_one(path: Path) -> bool:
    """Whether the path is that of a manifest, there or not."""
    folder = path.parent
    named = folder.parent == NAME.parent and folder.name not in paths.FOLDERS
    return path.name == NAME.name and (folder == NAME.parent or named)


def there() -> list[Path]:
    """All in results/, that of the configuration without a name first."""
    with reading(NAME.parent):
        folders = sorted(NAME.parent.iterdir()) if exists(NAME.parent) else []
    return [path for path in (NAME, *(folder / NAME.name for folder in folders)) if is_one(path) and exists(path)]


def read(path: Path) -> dict:
    return check(read_json(path, ("format",)), str(path))


def check(manifest: dict, where: str) -> dict:
    """InputError if *manifest* is of another version of this project."""
    if manifest.get("format") != FORMAT:
        version = manifest.get("version", "an unknown version")
        raise InputError(f"{where}: format {manifest.get('format')!r}, made by {version}; this one reads {FORMAT}")
    if missing := [key for key in KEYS if not isinstance(manifest.get(key), dict)]:
        raise InputError(f"{where}: {missing[0]}: expected an object")
    return manifest
