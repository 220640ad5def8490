"""The search spaces. A space is a module of this package, or a file of the user, with the names below; none imports
torch by itself. docs/extending.md explains them, examples/chain.py is a small one.

OPERATIONS   names of the candidate operations, in the order of the columns of a score matrix
GATES        {gate group: number of edges}
EDGES        (source, target) of each edge, the same in every gate group: places in DRAWN
DRAWN        names of the nodes in pictures
LARGEST      the operation with the most parameters, at any width
Genotype     a frozen value; `space`, its space, is set when that is loaded, and `to_json()` gives an object
derive(scores) -> Genotype         from {group: matrix edges x operations}
parse(value, where) -> Genotype    from the JSON object
kept(genotype) -> {group: [(edge, operation), ...]}   what the genotype keeps of a score matrix, by row and column; the
    operation is -1 where a block is left out. This is what two genotypes can agree on
supernet(**options), network(genotype, **options)   torch modules; options as in the configuration

and, where they differ from what stands behind them:

CANDIDATES   names of the operations that a genotype can hold: OPERATIONS
CHOICES      ((edges, n), ...): of these edges, rows of a score matrix, a genotype keeps n: 1 of each
option_faults(options, final=False, smallest_batch=None)   what does not fit together in options that are right by the
    schema, a line each: nothing; final: of a final network, which will train on batches of at least smallest_batch
    images
from_release(state, network) -> state   the release's weights, by name, with the names of a network: as they are
MACS   by which of the release's counters macs are, `cells` or `table` (freedarts.costs): cells
released_batch(data, batch_size) -> images, labels   the batch that the release's search in the space draws from
    CIFAR-10 (freedarts.tasks.released), called where its supernet has just been built: None, not known
untrainable(genotype) -> str | None   why its network, whose costs can be counted, cannot be trained: None
"""

import inspect
import json
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from freedarts import plugins
from freedarts.files import InputError, nearest

SPACES = plugins.known("spaces")
NEEDED = ("OPERATIONS", "GATES", "EDGES", "DRAWN", "LARGEST")
NEEDED += ("Genotype", "derive", "parse", "kept", "supernet", "network")
TYPES = {kind.__name__: kind for kind in (bool, int, float, str)}


def load(name: object, where: str = "space") -> ModuleType:
    """The space *name*; *where* says in an error which file or option asked for it."""
    without_torch = "torch" not in sys.modules
    module = plugins.load("spaces", name, f"{where}: unknown space")
    if without_torch and "torch" in sys.modules:
        raise InputError(f"{name}: imports torch, which planning would wait for; import it in supernet and network")
    _complete(module, name)
    return module


@cache
def _complete(module: ModuleType, name: str) -> None:
    """Set what a space may leave out. InputError that says what it may not, or what does not fit together."""
    if missing := [needed for needed in NEEDED if not hasattr(module, needed)]:
        raise InputError(f"{name}: no {', '.join(missing)}; docs/extending.md lists what a space has")
    module.NAME = module.Genotype.space = name
    edges = range(len(module.EDGES))
    defaults = {
        "CANDIDATES": module.OPERATIONS,
        "CHOICES": tuple(((edge,), 1) for edge in edges),
        "option_faults": lambda options, **_: iter(()),
        "from_release": lambda state, network: state,
        "MACS": "cells",
        "released_batch": None,
        "untrainable": lambda genotype: None,
    }
    for key, value in defaults.items():
        if not hasattr(module, key):
            setattr(module, key, value)
    for group, rows in module.GATES.items():
        if rows != len(edges):
            raise InputError(f"{name}: GATES: {group} has {rows} edges, EDGES has {len(edges)}")
    if unknown := {module.LARGEST, *module.CANDIDATES} - set(module.OPERATIONS):
        raise InputError(f"{name}: {sorted(unknown)[0]!r} in LARGEST or CANDIDATES is not in OPERATIONS")
    if not {place for edge in module.EDGES for place in edge} <= set(range(len(module.DRAWN))):
        raise InputError(f"{name}: EDGES: a place beyond the {len(module.DRAWN)} names in DRAWN")
    if sorted(edge for choice, _ in module.CHOICES for edge in choice) != list(edges):
        raise InputError(f"{name}: CHOICES: expected each of the {len(edges)} edges once")


def check_released(name: str) -> None:
    """Raise InputError unless it is known how the release draws a batch for its search in the space."""
    if not load(name).released_batch:
        raise InputError(f"score settings: draw 'released': how the release draws for the space {name} is not known")


def option_faults(name: str, options: dict, final: bool = False, smallest_batch: int | None = None) -> Iterator[str]:
    """What is wrong with the options of a supernet or, if *final*, of a final network, a line each: a space that is not
    in the schema says by its functions' parameters which there are."""
    try:
        module = load(name)
    except InputError as error:
        yield str(error)
        return
    parameters = dict(inspect.signature(module.network if final else module.supernet).parameters)
    if final:
        del parameters[next(iter(parameters))]  # the genotype
    faults = []
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        allowed = f"; allowed: {', '.join(parameters)}"
        unknown = [key for key in options if key not in parameters]
        faults = [f"{key}: unknown key{allowed}{nearest(key, parameters)}" for key in unknown]
        for key, parameter in parameters.items():
            kind = TYPES.get(getattr(parameter.annotation, "__name__", parameter.annotation))
            if key not in options:
                faults += [f"{key}: no such key"] if parameter.default is parameter.empty else []
            elif kind and type(options[key]) not in ((int, float) if kind is float else (kind,)):
                faults.append(f"{key}: {options[key]!r}; allowed: {kind.__name__}")
    yield from faults or module.option_faults(options, final=final, smallest_batch=smallest_batch)


def derive(space: ModuleType, scores: dict[str, list[list[float]]]):
    """The genotype that *scores* select. InputError if it is not of the space, or does not survive its file."""
    found = space.derive(scores)
    where = f"{space.NAME}: derive"
    if not isinstance(found, space.Genotype):
        raise InputError(f"{where} returns a {type(found).__name__}, expected a Genotype")
    if space.parse(json.loads(json.dumps(found.to_json())), where) != found:
        raise InputError(f"{where}: {found} comes back from JSON as another genotype")
    kept, places = space.kept(found), sum(number for _, number in space.CHOICES)
    for group, edges in space.GATES.items():
        entries = kept.get(group, [])
        if len(entries) != places:
            raise InputError(f"{where}: kept has {len(entries)} entries of {group}, expected {places}")
        for edge, operation in entries:
            if not (0 <= edge < edges and -1 <= operation < len(space.OPERATIONS)):
                allowed = f"an edge below {edges} and an operation below {len(space.OPERATIONS)}"
                raise InputError(f"{where}: kept holds {(edge, operation)} in {group}; allowed: {allowed}")
    return found


def chance(space: ModuleType) -> dict[str, float]:
    """Entries of `kept` that two uniformly random genotypes share, expected: where n of e edges are kept, each with
    probability n/e and one of the candidates, n * n/e / candidates."""
    shared = sum(number**2 / len(edges) for edges, number in space.CHOICES) / len(space.CANDIDATES)
    return dict.fromkeys(space.GATES, shared)


def check_scores(scores: object, gates: dict[str, int], operations: tuple[str, ...], where: str) -> None:
    """Raise InputError unless *scores* holds a finite matrix edges x operations for every gate group."""
    if not isinstance(scores, dict) or set(scores) != set(gates):
        found = sorted(scores) if isinstance(scores, dict) else type(scores).__name__
        raise InputError(f"{where}: has {found}, expected the gate groups {sorted(gates)}")
    for group, edges in gates.items():
        rows = scores[group]
        if not isinstance(rows, list) or len(rows) != edges:
            raise InputError(f"{where}.{group}: expected {edges} rows, one per edge")
        for edge, row in enumerate(rows):
            if not isinstance(row, list) or len(row) != len(operations):
                raise InputError(f"{where}.{group}[{edge}]: expected {len(operations)} scores, one per operation")
            for operation, score in zip(operations, row, strict=True):
                if type(score) not in (int, float) or not abs(score) < float("inf"):
                    raise InputError(f"{where}.{group}[{edge}], {operation}: {score!r} is not a finite number")
