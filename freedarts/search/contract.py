"""What a supernet and a score must keep to, checked where they run: those of a user have no tests."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from freedarts.files import InputError

Matrices = dict[str, Tensor]


def check_supernet(network: nn.Module, space: ModuleType) -> None:
    """Raise InputError unless the gates are those of *space*, and scoring can replace the layers."""
    found = {group: tuple(draws.shape) for group, draws in network.gate_draws.items()}
    expected = {group: (edges, len(space.OPERATIONS)) for group, edges in space.GATES.items()}
    if found != expected:
        raise InputError(f"{space.NAME}: supernet: gate_draws of the shapes {found}, expected {expected}")
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and (module.bias is not None or module.padding_mode != "zeros"):
            raise InputError(
                f"{space.NAME}: supernet: {name} has a bias or does not pad with zeros, which is not scored"
            )


@contextmanager
def unchanged(name: str, network: nn.Module, gates: Matrices) -> Iterator[None]:
    """Raise InputError if the score in the file *name* fails or changes a weight, a buffer, a gate or a mode."""

    def state() -> dict[str, Tensor]:
        return {**network.state_dict(), **{f"the gates {group}": gate.detach() for group, gate in gates.items()}}

    before, modes = {key: tensor.clone() for key, tensor in state().items()}, _modes(network)
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if _same(frame.filename, name)]
        where = f"{name}: line {lines[-1]}" if lines else name
        raise InputError(f"{where}: score raises {type(error).__name__}: {error}") from error
    after = state()
    changed = [key for key, tensor in before.items() if key not in after or not torch.equal(tensor, after[key])]
    changed += [f"the mode of {key or 'the network'}" for key, mode in _modes(network).items() if mode != modes[key]]
    if changed:
        raise InputError(f"{name}: score changes {changed[0]}; expected a network and gates that are left as they were")


def _same(path: str, name: str) -> bool:
    return Path(path).resolve() == Path(name).resolve()


def _modes(network: nn.Module) -> dict[str, bool]:
    return {key: module.training for key, module in network.named_modules()}


def check_scores(name: str, found: object, gates: Matrices) -> tuple[Tensor, Matrices]:
    """What the score *name* returned. Raises InputError unless it is an objective and a matrix for each gate group."""
    if not isinstance(found, tuple) or len(found) != 2:
        raise InputError(f"{name}: score returns a {type(found).__name__}, expected (objective, scores)")
    objective, scores = found
    if not isinstance(objective, Tensor) or objective.numel() != 1:
        raise InputError(f"{name}: score's objective is {_about(objective)}, expected a tensor with one number")
    if not isinstance(scores, dict) or set(scores) != set(gates):
        about = sorted(map(str, scores)) if isinstance(scores, dict) else _about(scores)
        raise InputError(f"{name}: score's scores are {about}, expected a dictionary with the keys {sorted(gates)}")
    for group, gate in gates.items():
        matrix = scores[group]
        if not isinstance(matrix, Tensor) or matrix.shape != gate.shape or not matrix.is_floating_point():
            expected = f"numbers of the shape {tuple(gate.shape)}, edges x operations"
            raise InputError(f"{name}: score's {group} is {_about(matrix)}, expected {expected}")
    return objective, scores


def _about(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of {str(value.dtype).removeprefix('torch.')} of the shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"


def check_finite(name: str, matrices: Matrices, operations: tuple[str, ...]) -> None:
    """Raise InputError that names the first score which is not finite."""
    for group, matrix in matrices.items():
        for edge, operation in (~matrix.isfinite()).nonzero().tolist()[:1]:
            value = matrix[edge, operation].item()
            where = f"{group}[{edge}], {operations[operation]}"
            raise InputError(
                f"{name}: score of {where} is {value}, though the network's values are finite; expected a finite number"
            )
