"""Trained weights: ours, safetensors with genotype and settings inside, and those of the release (`weights.pt`)."""

import json
import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from freedarts import genotype, spaces
from freedarts.files import InputError

# What the release calls the parts of a DARTS network, and what they are called here.
RELEASED = [
    (r"^module\.", ""),  # of several GPUs
    (r"^stem\.", "stem0."),
    (r"\._ops\.", ".operations."),
    (r"^(cells\.\d+\.(?:preprocess\d|operations\.\d+))\.op\.", r"\1."),
    (r"\.conv_1\.", ".even."),
    (r"\.conv_2\.", ".odd."),
    (r"^auxiliary_head\.features\.", "auxiliary_head."),
]

TRAINING = "training"  # what the metadata call genotype and settings
UNTESTED, UNUSED = "auxiliary_head.", "num_batches_tracked"  # what a test needs not: a part, and the end of a name


def read(path: Path) -> tuple[genotype.Genotype, dict, dict[str, Tensor]]:
    """Genotype, settings (space, dataset, network, protocol) and weights that `freedarts.training.retrain` wrote."""
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dictionary
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as safetensors ({error})") from None
    try:
        content = json.loads(about.get(TRAINING, "{}"))
    except ValueError as error:
        raise InputError(f"{path}: {TRAINING}: not valid JSON ({error})") from None
    if missing := {"genotype", "settings"} - set(content if isinstance(content, dict) else ()):
        raise InputError(f"{path}: holds no {' and no '.join(sorted(missing))}, which the weights of a training do")
    found = genotype.parse(content["genotype"], f"{path}: genotype")
    return found, content["settings"], state


def read_released(path: Path) -> dict[str, Tensor]:
    """The weights in a `weights.pt` or `model_best.pth.tar` of the release, with the release's names. Only tensors and
    plain values are unpickled."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception:  # torch has no error of its own for what is damaged, and advises to unpickle anything
        raise InputError(
            f"{path}: cannot be read as weights: it is damaged, no file of torch's, or holds more than the tensors and"
            " plain values that are read"
        ) from None
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise InputError(f"{path}: holds no state_dict, a dictionary of tensors")
    return state


def from_release(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """*state*, of a DARTS network, with the names of *network*; those that have them already stay."""
    head = getattr(network, "auxiliary_head", None)
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in RELEASED:
            name = re.sub(pattern, replacement, name)
        if head is not None:
            name = name.replace("auxiliary_head.classifier.", f"auxiliary_head.{len(head) - 1}.")
        renamed[name] = tensor
    return renamed


def in_order(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """*state* of a MobileNet network with the names of *network*. The names that the release gives its modules are not
    known here, but one layer follows the other in it, so its weights lie in the same order; where their number or the
    last parts of their names do not fit, *state* stays as it is, as do weights that have these names in any order."""
    own = [name for name in network.state_dict() if not name.endswith(UNUSED)]
    given = [name for name in state if not name.endswith(UNUSED)]
    kinds = ([name.rpartition(".")[2] for name in names] for names in (own, given))
    if set(own) == set(given) or next(kinds) != next(kinds):
        return state
    return {name: state[theirs] for name, theirs in zip(own, given, strict=True)}


def build(found: genotype.Genotype, options: dict, state: dict[str, Tensor], where: str) -> nn.Module:
    """The network of a genotype with trained weights. What a test does not use may be missing. Raises InputError that
    says what does not fit."""
    space = spaces.load(found.space)
    network = space.network(found, **options)
    own = network.state_dict()
    if found.space == "darts":
        state = from_release(state, network)
    elif found.space == "mobilenet":
        state = in_order(state, network)
    state = {name: tensor for name, tensor in state.items() if name in own or not name.startswith(UNTESTED)}
    missing = [n for n in own if n not in state and not n.startswith(UNTESTED) and not n.endswith(UNUSED)]
    unknown = [name for name in state if name not in own]
    shapes = [
        f"{name} is {list(state[name].shape)}, expected {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    faults = [f"no {name}" for name in missing] + [f"unknown {name}" for name in unknown] + shapes
    if faults:
        others = f"; {len(faults) - 1} more" if len(faults) > 1 else ""
        raise InputError(f"{where}: not the weights of this genotype and network: {faults[0]}{others}")
    network.load_state_dict(state, strict=False)
    return network
