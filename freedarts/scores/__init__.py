"""The scores' settings. A proxy is a module of this package with a function of the one signature

    score(network, gates, images, labels, **options) -> (objective, {gate group: scores (edges, operations)})

Imports no torch.
"""

import importlib
from dataclasses import MISSING, dataclass, fields

from freedarts import tasks
from freedarts.files import InputError

PROXIES = ("synflow", "snip", "grasp")
LABELLED = ("snip", "grasp")  # they need a batch of a data set
OPTIONS = {"synflow": (), "snip": (), "grasp": ("product", "sign", "step")}
STEP = ("learning_rate", "weight_decay")
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
    data: dict | None = None  # dataset and batch_size; None: an image of ones
    product: str | None = None  # of GraSP, like sign and step
    sign: str | None = None
    step: dict[str, float] | None = None  # learning_rate and weight_decay

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
        for key in OPTIONS["grasp"]:
            value = getattr(self, key)
            if value is not None and key not in OPTIONS[self.proxy]:
                raise InputError(f"score settings: {key} {value!r} with the proxy {self.proxy!r}, which has none")
            if value is None and key in OPTIONS[self.proxy] and key != "step":
                raise InputError(f"score settings: no key {key!r}, which the proxy {self.proxy!r} needs")
        if self.step is not None and set(self.step) != set(STEP):
            raise InputError(f"score settings: step has {sorted(self.step)}, expected {sorted(STEP)}")
        if self.data is None and self.proxy in LABELLED:
            raise InputError(f"score settings: no key 'data', which the proxy {self.proxy!r} needs")
        if self.data is not None:
            if set(self.data) != {"dataset", "batch_size"}:
                raise InputError(f"score settings: data has {sorted(self.data)}, expected ['batch_size', 'dataset']")
            tasks.check_batch(self.data["dataset"], self.data["batch_size"])

    @property
    def options(self) -> dict:
        """The settings that the proxy's function takes."""
        return {key: getattr(self, key) for key in OPTIONS[self.proxy]}

    def check_supernet(self, image_size: int, classes: int, **_) -> None:
        """Raise InputError unless the score's data fit a supernet with these options."""
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
