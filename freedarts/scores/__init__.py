"""The scores' settings. A proxy is a module of this package with a function of the one signature

    score(network, gates, images, labels, **options) -> (objective, {gate group: scores (edges, operations)})

and, where the network computes with other gates than those that are scored, used(network, gates) -> those.

Imports no torch.
"""

import importlib
from dataclasses import MISSING, dataclass, fields

from freedarts import tasks
from freedarts.files import InputError

PROXIES = ("synflow", "synflow_path", "snip", "grasp")
LABELLED = ("synflow_path", "snip", "grasp")  # they need a batch of a data set
OPTIONS = {"synflow": (), "synflow_path": ("step", "flops"), "snip": (), "grasp": ("product", "sign", "step")}
OPTIONAL = {"grasp": ("step",)}
KEYS = {
    "step": {"learning_rate", "weight_decay"},
    "flops": {"weight", "reference", "exponent"},
    "data": {"dataset", "batch_size"},
}
ALLOWED = {
    "proxy": PROXIES,
    "batch_norm": ("identity", "eval", "train"),
    "gates": ("ones", "normal"),
    "positive_gates": (False, True),
    "positive_weights": (False, True),
    "precision": ("float32", "float64"),
    "activation": ("built", "relu"),
    "product": (None, "gradient", "first-row", "gates"),
    "sign": (None, "negative", "positive", "absolute"),
}


@dataclass(frozen=True)
class Score:
    """A proxy with all its settings; a named entry of the configuration."""

    proxy: str
    batch_norm: str  # identity: left out; eval: running statistics; train: statistics of the batch
    gates: str  # ones, or normal: gate_scale times standard normal draws
    positive_gates: bool
    positive_weights: bool
    precision: str  # float32 or float64
    gate_scale: float | None = None
    activation: str = "built"  # built: as the supernet has it; relu: ReLU6 without its bound
    data: dict | None = None  # dataset, batch_size, part (train if left out, or test); None: an image of ones
    product: str | None = None  # of GraSP, like sign
    sign: str | None = None
    step: dict[str, float] | None = None  # of GraSP and synflow_path: learning_rate and weight_decay
    flops: dict[str, float] | None = None  # of synflow_path: weight, reference and exponent

    def __post_init__(self):
        for key, allowed in ALLOWED.items():
            if getattr(self, key) not in allowed:
                names = ", ".join(str(value) for value in allowed if value is not None)
                raise InputError(f"score settings: {key} {getattr(self, key)!r}; allowed: {names}")
        if (self.gates == "normal") != (self.gate_scale is not None and 0 < self.gate_scale < float("inf")):
            raise InputError(
                f"score settings: gate_scale {self.gate_scale!r} with gates {self.gates!r}; "
                "allowed: a positive number with `normal`, none with `ones`"
            )
        for key in {key: None for options in OPTIONS.values() for key in options}:
            value = getattr(self, key)
            if value is not None and key not in OPTIONS[self.proxy]:
                raise InputError(f"score settings: {key} {value!r} with the proxy {self.proxy!r}, which has none")
            if value is None and key in OPTIONS[self.proxy] and key not in OPTIONAL.get(self.proxy, ()):
                raise InputError(f"score settings: no key {key!r}, which the proxy {self.proxy!r} needs")
        for key, expected in KEYS.items():
            value = getattr(self, key)
            known = expected | ({"part"} if key == "data" else set())
            if value is not None and not expected <= set(value) <= known:
                raise InputError(f"score settings: {key} has {sorted(value)}, expected {sorted(expected)}")
        if self.data is None and self.proxy in LABELLED:
            raise InputError(f"score settings: no key 'data', which the proxy {self.proxy!r} needs")
        if self.data is not None:
            tasks.check_batch(**self.data)

    @property
    def options(self) -> dict:
        """The settings that the proxy's function takes."""
        return {key: getattr(self, key) for key in OPTIONS[self.proxy]}

    def check_supernet(self, space: str, image_size: int, classes: int, **_) -> None:
        """Raise InputError unless the score and its data fit a supernet with these options."""
        if self.proxy == "synflow_path" and space != "mobilenet":
            raise InputError(f"the proxy 'synflow_path' is for the space mobilenet, the supernet is of {space}")
        if self.data is not None:
            name = self.data["dataset"]
            sample = tasks.DATASETS[name]
            if (sample.image_size, sample.classes) != (image_size, classes):
                raise InputError(
                    f"{name} has images of {sample.image_size} pixels in {sample.classes} classes, "
                    f"the supernet is for {image_size} pixels and {classes} classes"
                )

    def module(self):
        """The proxy's module (imports torch)."""
        return importlib.import_module(f"{__name__}.{self.proxy}")


def from_settings(settings: dict) -> Score:
    """Raises InputError that names an unknown or missing key or a value that is not allowed."""
    known = {field.name: field for field in fields(Score)}
    if unknown := set(settings) - set(known):
        raise InputError(f"score settings: unknown key {sorted(unknown)[0]!r}; known: {', '.join(sorted(known))}")
    if missing := {name for name, field in known.items() if field.default is MISSING} - set(settings):
        raise InputError(f"score settings: no key {sorted(missing)[0]!r}")
    return Score(**settings)
