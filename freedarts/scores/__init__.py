"""The scores' settings. A proxy is a module of this package with a function of the one signature

    score(network, gates, images, labels) -> (objective, {gate group: scores (edges, operations)})

Imports no torch.
"""

import importlib
from dataclasses import MISSING, dataclass, fields

from freedarts.files import InputError

PROXIES = ("synflow",)
ALLOWED = {
    "proxy": PROXIES,
    "batch_norm": ("identity", "eval", "train"),
    "gates": ("ones", "normal"),
    "positive_gates": (False, True),
    "precision": ("float32", "float64"),
    "activation": ("built", "relu"),
}


@dataclass(frozen=True)
class Score:
    """A proxy with all its settings; a named entry of the configuration."""

    proxy: str
    batch_norm: str  # identity: left out; eval: running statistics; train: statistics of the batch
    gates: str  # ones, or normal: gate_scale times standard normal draws
    positive_gates: bool
    precision: str  # float32 or float64
    gate_scale: float | None = None
    activation: str = "built"  # built: as the supernet has it; relu: ReLU6 without its bound

    def __post_init__(self):
        for key, allowed in ALLOWED.items():
            if getattr(self, key) not in allowed:
                raise InputError(
                    f"score settings: {key} {getattr(self, key)!r}; allowed: {', '.join(map(str, allowed))}"
                )
        if (self.gates == "normal") != (self.gate_scale is not None and 0 < self.gate_scale < float("inf")):
            raise InputError(
                f"score settings: gate_scale {self.gate_scale!r} with gates {self.gates!r}; "
                "allowed: a positive number with `normal`, none with `ones`"
            )

    def module(self):
        """The proxy's module (imports torch)."""
        return importlib.import_module(f"{__name__}.{self.proxy}")


def from_settings(settings: dict) -> Score:
    """Raises InputError that names an unknown or missing key or a value that is not allowed."""
    known = {field.name for field in fields(Score)}
    if unknown := set(settings) - known:
        raise InputError(f"score settings: unknown key {sorted(unknown)[0]!r}; known: {', '.join(sorted(known))}")
    if missing := {field.name for field in fields(Score) if field.default is MISSING} - set(settings):
        raise InputError(f"score settings: no key {sorted(missing)[0]!r}")
    return Score(**settings)
