"""The scores' settings. A proxy is a module of this package, or a file of the user, with a function of one signature

    score(network, gates, images, labels, *, options …) -> (objective, {gate group: scores (edges, operations)})

It needs a batch of a data set where labels has no default, and an option where that has none. docs/extending.md. What
is known of it without running it stands in constants, where it differs from what stands behind them:

OPTIONS     {option: the values that it may have, (…); or of a mapping {key: bound of a number, "> 0", ">= 0", ""}}
SPACES      the spaces that it is for, (…): all
MEGABYTES   of memory that the search takes for each image of a batch, at most: 70, what first derivatives take

Imports no torch.
"""

import ast
import math
import operator
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields

from freedarts import plugins, tasks
from freedarts.files import InputError, nearest

ALLOWED = {
    "batch_norm": ("identity", "eval", "train"),
    "gates": ("ones", "normal"),
    "positive_gates": (False, True),
    "positive_weights": (False, True),
    "precision": ("float32", "float64"),
    "activation": ("built", "relu"),
}
DATA_KEYS = {"dataset", "batch_size"}
PROXIES = plugins.known("scores")
PROXY = "score settings: proxy"
BOUNDS = {">": operator.gt, ">=": operator.ge}
BOUND = re.compile(r"(>=? -?\d+(\.\d+)?)?")
_RELEASED = {
    "batch_norm": "train",
    "gates": "normal",
    "gate_scale": 1e-3,
    "positive_gates": False,
    "precision": "float32",
}
_SNIP = {**_RELEASED, "proxy": "snip", "positive_weights": False}
_GRASP = {**_SNIP, "proxy": "grasp", "options": {"product": "gradient", "sign": "negative"}}
_STEP = {"learning_rate": 3e-4, "weight_decay": 1e-3}
# As config/config.yaml has them for the space darts: as their authors define them, and as the released notebooks
# compute them. snip and grasp need `data`.
PRESETS = {
    "synflow": {
        "proxy": "synflow",
        "batch_norm": "identity",
        "gates": "ones",
        "positive_gates": True,
        "positive_weights": True,
        "precision": "float64",
        "activation": "relu",
    },
    "synflow-released": {**_RELEASED, "proxy": "synflow", "positive_weights": True},
    "snip": _SNIP,
    "snip-released": {**_SNIP, "positive_weights": True},
    "grasp": _GRASP,
    "grasp-released": {
        **_GRASP,
        "positive_weights": True,
        "options": {"product": "gates", "sign": "absolute", "step": _STEP},
    },
}


@dataclass(frozen=True)
class Signature:
    """What a proxy's file says of itself. options: name -> whether it is needed; the rest as in its constants."""

    labelled: bool
    options: dict[str, bool]
    allowed: dict[str, tuple | dict[str, str]]
    spaces: tuple[str, ...] | None
    megabytes: int


def signature(proxy: str) -> Signature:
    """Read, not imported, because a score imports torch. InputError if the file has no such function, or if a constant
    is computed."""
    body = plugins.check("scores", proxy, PROXY).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    arguments = next((node.args for node in functions if node.name == "score"), None)
    if arguments is None or len(arguments.posonlyargs + arguments.args) != 4 or arguments.vararg or arguments.kwarg:
        raise InputError(f"{proxy}: expected a function score(network, gates, images, labels), its options after a `*`")
    options = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    names = {argument.arg: default is None for argument, default in options}
    constants = _constants(proxy, body)
    if fault := next(_constant_faults(constants, names), None):
        raise InputError(f"{proxy}: {fault}; docs/extending.md says what the constants of a score are")
    return Signature(not arguments.defaults, names, *constants.values())


def _constants(proxy: str, body: list[ast.stmt]) -> dict[str, object]:
    """Those of a score's file, or what stands for them."""
    constants = {"OPTIONS": {}, "SPACES": None, "MEGABYTES": 70}
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(targets[0], ast.Name) and targets[0].id in constants:
            try:
                constants[targets[0].id] = ast.literal_eval(node.value)
            except (TypeError, ValueError):
                raise InputError(f"{proxy}: {targets[0].id}: expected values written out") from None
    return constants


def _constant_faults(constants: dict[str, object], options: Iterable[str]) -> Iterator[str]:
    allowed, spaces, megabytes = constants.values()
    if not isinstance(allowed, dict) or set(allowed) - set(options):
        yield f"OPTIONS: {allowed!r}, expected a dictionary of options of the function: {', '.join(options) or 'none'}"
        return
    for name, values in allowed.items():
        bounds = isinstance(values, dict) and all(BOUND.fullmatch(str(bound)) for bound in values.values())
        if not (isinstance(values, tuple) or bounds):
            yield f"OPTIONS: {name}: {values!r}, expected a tuple of values, or bounds like '> 0', '>= 0', '' by key"
    if spaces is not None and not isinstance(spaces, tuple):
        yield f"SPACES: {spaces!r}, expected a tuple of names"
    if type(megabytes) is not int or megabytes < 0:
        yield f"MEGABYTES: {megabytes!r}, expected a whole number"


def _option_fault(name: str, value: object, allowed: tuple | dict[str, str]) -> str | None:
    """What is wrong with the value of an option, by what its file says."""
    if isinstance(allowed, tuple):
        return None if value in allowed else f"{name} {value!r}; allowed: {', '.join(map(str, allowed))}"
    if not isinstance(value, dict) or set(value) != set(allowed):
        given = sorted(value) if isinstance(value, dict) else repr(value)
        return f"{name} has {given}, expected {sorted(allowed)}"
    for key, bound in allowed.items():
        sign, _, limit = bound.partition(" ")
        number = type(value[key]) in (int, float) and math.isfinite(value[key])
        if not number or (bound and not BOUNDS[sign](value[key], float(limit))):
            return f"{name}.{key} {value[key]!r}; allowed: a number {bound}".rstrip()
    return None


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
    # dataset, batch_size, part (train if left out, or test), draw (own, or released); None: an image of ones
    data: dict | None = None
    options: dict | None = None  # of the proxy's function

    @classmethod
    def preset(cls, name: str, **changes: object) -> "Score":
        """That of PRESETS, but for *changes*. InputError that lists the names or keys that there are."""
        if name not in PRESETS:
            raise InputError(f"preset {name!r}; allowed: {', '.join(PRESETS)}{nearest(name, PRESETS)}")
        return from_settings({**PRESETS[name], **changes})

    def __post_init__(self):
        function = signature(self.proxy)
        for key, allowed in ALLOWED.items():
            if getattr(self, key) not in allowed:
                names = ", ".join(str(value) for value in allowed if value is not None)
                value = getattr(self, key)
                raise InputError(f"score settings: {key} {value!r}; allowed: {names}{nearest(value, allowed)}")
        if (self.gates == "normal") != (self.gate_scale is not None and 0 < self.gate_scale < float("inf")):
            raise InputError(
                f"score settings: gate_scale {self.gate_scale!r} with gates {self.gates!r}; "
                "allowed: a positive number with `normal`, none with `ones`"
            )
        for key, value in self.arguments.items():
            if key not in function.options:
                raise InputError(f"score settings: {key} {value!r} with the proxy {self.proxy!r}, which has none")
            if key in function.allowed and (fault := _option_fault(key, value, function.allowed[key])):
                raise InputError(f"score settings: {fault}")
        if missing := [key for key, needed in function.options.items() if needed and key not in self.arguments]:
            raise InputError(f"score settings: no option {missing[0]!r}, which the proxy {self.proxy!r} needs")
        if self.data is not None and not DATA_KEYS <= set(self.data) <= DATA_KEYS | {"part", "draw"}:
            raise InputError(f"score settings: data has {sorted(self.data)}, expected {sorted(DATA_KEYS)}")
        if self.data is None and function.labelled:
            raise InputError(f"score settings: no key 'data', which the proxy {self.proxy!r} needs")

    @property
    def arguments(self) -> dict:
        """The options of the proxy's function."""
        return self.options or {}

    @property
    def released(self) -> bool:
        """Whether the batch is drawn as the release does."""
        return bool(self.data) and self.data.get("draw") == tasks.RELEASED

    def check_supernet(
        self,
        space: str,
        image_size: int,
        classes: int,
        datasets: Mapping[str, tasks.Facts] = tasks.DATASETS,
        **_,
    ) -> None:
        """Raise InputError unless the score and its data, one of *datasets*, fit a supernet with these options."""
        spaces = signature(self.proxy).spaces
        if spaces is not None and space not in spaces:
            raise InputError(
                f"the proxy {self.proxy!r} is for the space {', '.join(spaces)}, the supernet is of {space}"
            )
        if self.data is not None:
            name = self.data["dataset"]
            if fault := tasks.unknown(name, datasets):
                raise InputError(f"score settings: data of {fault}")
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
    if unknown := sorted(set(settings) - set(known)):
        names = f"{', '.join(sorted(known))}{nearest(unknown[0], known)}"
        raise InputError(f"score settings: unknown key {unknown[0]!r}; known: {names}")
    if missing := {name for name, field in known.items() if field.default is MISSING} - set(settings):
        raise InputError(f"score settings: no key {sorted(missing)[0]!r}")
    score = Score(**settings)
    if score.data is not None:
        tasks.check_batch(datasets, **score.data)
    return score
