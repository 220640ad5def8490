"""Trained weights: ours, safetensors with genotype and settings inside, and those of the release (`weights.pt`)."""

import json
import reprlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from freedarts import genotype, spaces
from freedarts.files import InputError

TRAINING = "training"  # what the metadata call genotype and settings
HOLDERS = ("state_dict", "model", "model_state_dict")  # what a checkpoint calls its weights
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
    """The weights in a `weights.pt` or `model_best.pth.tar` of the release, with the release's names, or in a
    checkpoint of one's own that has them as one of HOLDERS. Only tensors and plain values are unpickled."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception:  # torch has no error of its own for what is damaged, and advises to unpickle anything
        raise InputError(
            f"{path}: cannot be read as weights: it is damaged, no file of torch's, or holds more than the tensors and"
            " plain values that are read"
        ) from None
    for state in (content, *map(content.get, HOLDERS)) if isinstance(content, dict) else ():
        if isinstance(state, dict) and state and all(isinstance(tensor, Tensor) for tensor in state.values()):
            return state
    held = f"keys {reprlib.repr(list(content))}" if isinstance(content, dict) else type(content).__name__
    raise InputError(f"{path}: holds {held}; expected a dictionary of tensors, or one called {' or '.join(HOLDERS)}")


def build(found: genotype.Genotype, options: dict, state: dict[str, Tensor], where: str) -> nn.Module:
    """The network of a genotype with trained weights. What a test does not use may be missing. Raises InputError that
    says what does not fit."""
    space = spaces.load(found.space)
    network = space.network(found, **options)
    own = network.state_dict()
    state = {name if name in own else _bare(name): tensor for name, tensor in state.items()}
    state = space.from_release(state, network)
    state = {name: tensor for name, tensor in state.items() if name in own or not name.startswith(UNTESTED)}
    missing = [n for n in own if n not in state and not n.startswith(UNTESTED) and not n.endswith(UNUSED)]
    unknown = [name for name in state if name not in own]
    shapes = [
        f"{name} is {list(state[name].shape)}, expected {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    kinds = [f"no {name}" for name in missing], [f"unknown {name}" for name in unknown], shapes
    if faults := [kind[0] for kind in kinds if kind]:
        others = f"; {rest} more" if (rest := sum(map(len, kinds)) - len(faults)) else ""
        raise InputError(f"{where}: not the weights of this genotype and network: {', '.join(faults)}{others}")
    network.load_state_dict(state, strict=False)
    return network


def _bare(name: str) -> str:
    """Without what torch.compile, wherever it was used, and wrappers for several GPUs add."""
    return name.replace("_orig_mod.", "").removeprefix("module.")
