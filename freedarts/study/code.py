"""Digest of the code that a job runs, so that an edit re-runs the jobs that it can change and no others."""

import ast
import hashlib
import subprocess
import sys
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

PACKAGE = "freedarts"
RELEASED = "released"
BASE = Path(__file__).parents[2]  # the folder of the package


def code_digest(*sources: str | Path, without: Collection[str] = (), released: bool = False) -> str:
    """Digest of *sources*, scripts (paths) or modules of the package (dotted names), and of all modules of the package
    that they import, in functions too, but for those *without*, a package with all that is in it, as if their imports
    were not there. Nor do modules called `released` count, which few jobs use, unless *released*: they say how the
    release names weights and draws images. Modules that are chosen by name at run time must be named. Comments,
    docstrings and layout do not count."""
    excluded = {BASE.joinpath(*module.split(".")) for module in without}
    files: dict[Path, None] = {}
    queue = [_file(source) if isinstance(source, str) else source for source in sources]
    if None in queue:
        raise ModuleNotFoundError(f"no module {sources[queue.index(None)]}")
    while queue:
        path = queue.pop()
        if path is None or path in files or (path.stem == RELEASED and not released):
            continue
        if not excluded.intersection((path.with_suffix(""), *path.parents)):
            files[path] = None
            queue += _parsed(path)[1]
    digest = hashlib.sha256()
    for path in sorted(files, key=_place):
        digest.update(_parsed(path)[0].encode() + b"\0")
    return digest.hexdigest()[:16]


def _place(path: Path) -> str:
    """The same for a project that moves."""
    return path.relative_to(BASE).as_posix() if path.is_relative_to(BASE) else path.name


@cache
def _parsed(path: Path) -> tuple[str, tuple[Path | None, ...]]:
    """The code of a file, and the files that it imports."""
    tree = ast.parse(path.read_bytes())
    tree.body = [node for node in tree.body if not _is_version(node)]
    names = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False):
            del node.body[0]
    return _text(tree), tuple(_file(name) for name in sorted(names) if name.startswith(f"{PACKAGE}."))


def _is_version(node: ast.stmt) -> bool:
    """The project's version, in freedarts.files: a new one is no new code."""
    return isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name) and target.id == "VERSION"


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """The module and all statements in it, however deep, without their expressions."""
    queue: list[ast.AST] = [tree]
    while queue:
        node = queue.pop()
        yield node
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue  # no job runs it
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            queue += getattr(node, name, ())


def _text(node: object) -> str:
    """The tree as text that is the same in every version of Python, unlike ast.dump's."""
    if isinstance(node, ast.AST):
        fields = []
        for name in node._fields:  # whether a name is read or written, `ctx`, follows from its place
            value = getattr(node, name, None)
            if value is not None and value != [] and name != "ctx":
                fields.append(f"{name}={_text(value)}")
        return f"{type(node).__name__}({','.join(fields)})"
    return f"[{','.join([_text(item) for item in node])}]" if isinstance(node, list) else repr(node)


@cache
def _file(module: str) -> Path | None:
    """The file of a module of the package, or None for a name within one. Looked up by its path: importlib would run
    the parent module, and with it torch, in every planning."""
    base = BASE.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def commit() -> str | None:
    """The commit of the code, with a + if files differ from it; None outside a git checkout, and where git fails, which
    a line says."""
    own = f"safe.directory={BASE.resolve()}"  # also of another user's: its code runs anyway
    try:
        head, changed = (
            subprocess.run(
                ["git", "-c", own, "-C", BASE, *command], capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError) as error:
        if (BASE / ".git").exists():
            reason = getattr(error, "stderr", None) or str(error)
            print(f"{BASE}: the commit is not known: {' '.join(reason.split())}", file=sys.stderr)
        return None
    return head + "+" * bool(changed)
