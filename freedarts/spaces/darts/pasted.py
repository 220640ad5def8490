"""Genotypes as the code of DARTS, and papers after it, print them: a call of a named tuple."""

import ast

from freedarts.files import InputError
from freedarts.spaces.darts import GATES, NODES, Genotype, parse

JOINED = [f"{group}_concat" for group in GATES]  # the nodes that a cell's output joins: here always all


def read(text: str, where: str = "the text") -> Genotype:
    """The only call of `Genotype` in *text*, which is Python and is not run. InputError for what is no genotype of the
    space, and for cells that leave nodes out of their output."""
    try:
        tree = ast.parse(text.strip())
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node) == "Genotype"]
        if len(calls) != 1 or calls[0].args:
            raise InputError(f"{where}: {len(calls)} calls of Genotype; expected one, with normal=[…] and reduce=[…]")
        values = {keyword.arg: _value(keyword.value) for keyword in calls[0].keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: not a Genotype(…) as DARTS prints it ({error})") from None
    for name in JOINED:
        joined = values.pop(name, _all())
        if not isinstance(joined, list | tuple | range) or list(joined[: NODES + 1]) != _all():
            raise InputError(f"{where}: {name}: {joined!r}; a cell here joins all of its nodes, {_all()}")
    cells = {name: _pairs(cell) for name, cell in values.items()}
    return parse(cells, where)


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _value(node: ast.expr) -> object:
    """A literal, or range(…) of literals."""
    if isinstance(node, ast.Call) and _name(node) == "range" and not node.keywords:
        return range(*map(ast.literal_eval, node.args))
    return ast.literal_eval(node)


def _all() -> list[int]:
    return list(range(2, 2 + NODES))


def _pairs(cell: object) -> object:
    """Tuples as the lists that JSON has."""
    return [list(entry) if isinstance(entry, tuple) else entry for entry in cell] if isinstance(cell, list) else cell
