"""Digest of the code that a job runs, so that an edit re-runs the jobs that it can change and no others."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "freedarts"


def code_digest(*sources: str | Path) -> str:
    """Digest of *sources*, scripts (paths) or modules of the package (dotted names), and of all modules of the package
    that they import, in functions too. Modules that are chosen by name at run time must be named."""
    found: dict[Path, None] = {}
    queue = [_file(source) if isinstance(source, str) else source for source in sources]
    while queue:
        path = queue.pop()
        if path is not None and path not in found:
            found[path] = None
            queue += _imports(path)
    digest = hashlib.sha256()
    for path in sorted(found, key=lambda path: path.name):
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def _imports(path: Path) -> tuple[Path | None, ...]:
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return tuple(_file(name) for name in sorted(names) if name.startswith(f"{PACKAGE}."))


@cache
def _file(module: str) -> Path | None:
    """The file of a module of the package, or None for a name within one. Looked up by its path: importlib would run
    the parent module, and with it torch, in every planning."""
    base = Path(__file__).parents[1].joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
