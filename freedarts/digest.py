"""Digest of the code that a job runs, so that an edit re-runs the jobs that it can change and no others."""

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
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
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:  # a name within a module, not a module
        return None
    return Path(spec.origin) if spec and spec.origin else None
