"""The scores' settings. A proxy is a module of this package, or a file of the user, with a function of one signature

    score(network, gates, images, labels, *, options …) -> (objective, {gate group: scores (edges, operations)})

It needs a batch of a data set where labels has no default, and an option where that has none. docs/own-score.md.

and, where the network computes with other gates than those that are scored, used(network, gates) -> those.

Imports no torch.
"""

import ast
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields

from freedarts import plugins, tasks
from freedarts.files import InputError

OPTIONS = ("product", "sign", "step", "flops")  # which have a setting of their own
KEYS = {
    "step": {"learning_rate", "weight_decay"},
    "flops": {"weight", "reference", "exponent"},
    "data": {"dataset", "batch_size"},
}
ALLOWED = {
    "batch_norm": ("identity", "eval", "train"),
    "gates": ("ones", "normal"),
    "positive_gates": (False, True),
    "positive_weights": (False, True),
    "precision": ("float32", "float64"),
    "activation": ("built", "relu"),
    "product": (None, "gradient", "first-row", "gates"),
    "sign": (None, "negative", "positive", "absolute"),
}
PROXY = "score settings: proxy"


@dataclass(frozen=True)
class Signature:
    """What a proxy's function says of itself. options: name -> whether it is needed."""

    labelled: bool
    options: dict[str, bool]


def signature(proxy: str) -> Signature:
    """Read, not imported, because a score imports torch. InputError if the file has no such function."""
    found = [node for node in plugins.check("scores", proxy, PROXY).body if isinstance(node, ast.FunctionDef)]
    arguments = next((node.args for node in found if node.name == "score"), None)
    if arguments is None or len(arguments.posonlyargs + arguments.args) != 4 or arguments.vararg or arguments.kwarg:
        raise InputError(f"{proxy}: expected a function score(network, gates, images, labels), its options after a `*`")
    options = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return Signature(not arguments.defaults, {argument.arg: default is None for argument, default in options})


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
    options: dict | None = None  # of a score of the user

    def __post_init__(self):
        function = signature(self.proxy)
        for key, allowed in ALLOWED.items():
            if getattr(self, key) not in allowed:
                names = ", ".join(str(value) for value in allowed if value is not None)
                raise InputError(f"score settings: {key} {getattr(self, key)!r}; allowed: {names}")
        if (self.gates == "normal") != (self.gate_scale is not None and 0 < self.gate_scale < float("inf")):
            raise InputError(
                f"score settings: gate_scale {self.gate_scale!r} with gates {self.gates!r}; "
                "allowed: a positive number with `normal`, none with `ones`"
            )
        for key, value in self.arguments.items():
            if key not in function.options:
                raise InputError(f"score settings: {key} {value!r} with the proxy {self.proxy!r}, which has none")
        if missing := [key for key, needed in function.options.items() if needed and key not in self.arguments]:
            raise InputError(f"score settings: no key {missing[0]!r}, which the proxy {self.proxy!r} needs")
        for key, expected in KEYS.items():
            value = getattr(self, key)
            known = expected | ({"part"} if key == "data" else set())
            if value is not None and not expected <= set(value) <= known:
                raise InputError(f"score settings: {key} has {sorted(value)}, expected {sorted(expected)}")
        if self.data is None and function.labelled:
            raise InputError(f"score settings: no key 'data', which the proxy {self.proxy!r} needs")

    @property
    def arguments(self) -> dict:
        """The options of the proxy's function."""
        own = {key: getattr(self, key) for key in OPTIONS if getattr(self, key) is not None}
        return own | (self.options or {})

    def check_supernet(
        self,
        space: str,
        image_size: int,
        classes: int,
        datasets: Mapping[str, tasks.Facts] = tasks.DATASETS,
        **_,
    ) -> None:
        """Raise InputError unless the score and its data, one of *datasets*, fit a supernet with these options."""
        if self.proxy == "synflow_path" and space != "mobilenet":
            raise InputError(f"the proxy 'synflow_path' is for the space mobilenet, the supernet is of {space}")
        if self.data is not None:
            name = self.data["dataset"]
            sample = datasets[name]
            if (sample.image_size, sample.classes) != (image_size, classes):
                raise InputError(
                    f"{name} has images of {sample.image_size} pixels in {sample.classes} classes, "
                    f"the supernet is for {image_size} pixels and {classes} classes"
                )

    def module(self):
        """The proxy's module (imports torch)."""
        return plugins.load("scores", self.proxy, PROXY)


def from_settings(settings: dict, datasets: Mapping[str, tasks.Facts] = tasks.DATASETS) -> Score:
    """Raises InputError that names an unknown or missing key or a value that is not allowed; datasets: those that its
    data may be of."""
    known = {field.name: field for field in fields(Score)}
    if unknown := set(settings) - set(known):
        raise InputError(f"score settings: unknown key {sorted(unknown)[0]!r}; known: {', '.join(sorted(known))}")
    if missing := {name for name, field in known.items() if field.default is MISSING} - set(settings):
        raise InputError(f"score settings: no key {sorted(missing)[0]!r}")
    score = Score(**settings)
    if score.data is not None:
        tasks.check_batch(datasets, **score.data)
    return score
