"""The search spaces. A space is a module of this package with the names below; none imports torch by itself.

NAME         of the space
OPERATIONS   names of the candidate operations, in the order of the columns of a score matrix
GATES        {gate group: number of edges}
CANDIDATES   names of the operations that a genotype can hold
CHOICES      ((edges, n), ...): of these edges, rows of a score matrix, a genotype keeps n
LARGEST      the operation with the most parameters, at any width
EDGES        (source, target) of each edge, the same in every gate group: places in DRAWN
DRAWN        names of the nodes in pictures
derive(scores) -> Genotype         from {group: matrix edges x operations}
parse(value, where) -> Genotype    from the JSON object; `Genotype.to_json()` goes back
entries(genotype) -> {group: [set, ...]}   what two genotypes can agree on, per node or edge
chance() -> {group: float}         entries that two uniformly random genotypes share, expected
kept(genotype) -> {group: [(edge, operation), ...]}   what the genotype keeps of a score matrix, by row and column; the
    operation is -1 where a block is left out
option_faults(options, final=False, smallest_batch=None)   what does not fit together in options that are right by the
    schema, a line each; final: of a final network, which will train on batches of at least smallest_batch images
untrainable(genotype) -> str | None   why its network, whose costs can be counted, cannot be trained
supernet(**options), network(genotype, **options)   torch modules; options as in the configuration
"""

import importlib
from types import ModuleType

from freedarts.files import InputError

SPACES = ("darts", "nasbench201", "mobilenet")


def load(name: str, where: str = "space") -> ModuleType:
    """The space *name*; *where* says in an error which file or option asked for it."""
    if name not in SPACES:
        raise InputError(f"{where}: unknown space {name!r}; known: {', '.join(SPACES)}")
    return importlib.import_module(f"{__name__}.{name}")


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
