"""FreeDARTS as a library: search spaces, scores, audit, costs, training and NAS-Bench-201 (docs/library.md).

`import freedarts` loads no torch. The modules in `__all__` are loaded when they are first used: `freedarts.costs`.
"""

import importlib

from freedarts import files

__version__ = files.VERSION
__all__ = [
    "baselines",
    "costs",
    "figures",
    "files",
    "genotype",
    "nasbench201",
    "scores",
    "search",
    "spaces",
    "tasks",
    "training",
]


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
