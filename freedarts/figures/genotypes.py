"""Drawn genotypes: cells as graphs with an operation on each edge, chains as rows of blocks.

A node, and the name on an edge, has the same place in every drawing of a space, so that genotypes can be compared by
eye. The nodes stand on one line. An edge is an arc over or under it, whose middle and height no other edge has: names
cannot meet.
"""

import math
from types import ModuleType

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve

from freedarts import spaces
from freedarts.figures import GREY, INK, PALE, colour_of, distinct, node_name, seeds_name, styled
from freedarts.genotype import Refused

STEP = 1.15  # inches from node to node
RISE = 0.3  # inches from the arc over n nodes to the one over n + 1
INPUT, NODE, OUTPUT = "#cfe8d5", "#d6e6f5", "#f5e6b8"
WIDEST = 13.5  # inches
BLOCK = 0.62  # inches from block to block of a chain
RADIUS = 0.14  # inches from the middle of a node to its edge
Cell = list[tuple[int, int]]


@styled()
def draw(genotypes: dict[int, object], title: str) -> Figure:
    """genotypes: seed -> genotype of one space, or the reason why there is none; each that differs is drawn once."""
    found = distinct(genotypes)
    space = spaces.load(next(iter(found)).space)
    draw_cell, width, low, high = _chain(space) if _is_chain(space) else _graph(space)
    panels = [(genotype, seeds, group) for genotype, seeds in found.items() for group in space.GATES]
    columns = max(len(space.GATES), int(WIDEST / width))
    height, margin = high - low + 0.45, 0.4
    whole = (width * min(columns, len(panels)), height * math.ceil(len(panels) / columns) + margin)
    figure = Figure(figsize=whole)
    figure.text(0.1 / whole[0], 1 - 0.1 / whole[1], title, va="top", weight="bold", size=10)
    for place, (genotype, seeds, group) in enumerate(panels):
        row, column = divmod(place, columns)
        corner = (width * column / whole[0], 1 - (margin + height * (row + 1)) / whole[1])
        axes = figure.add_axes((*corner, width / whole[0], height / whole[1]))
        axes.set(xlim=(0, width), ylim=(low - 0.05, high + 0.4))
        axes.axis("off")
        heading = seeds_name(seeds) + (f", {group}" if len(space.GATES) > 1 else "")
        axes.text(0.12, high + 0.3, heading, va="top")
        if isinstance(genotype, Refused):
            axes.text(width / 2, (low + high) / 2, f"no genotype: {genotype.reason}", ha="center", wrap=True)
        else:
            draw_cell(axes, [gate for gate in space.kept(genotype)[group] if gate[1] >= 0])
    return figure


def _is_chain(space: ModuleType) -> bool:
    return all(edge == (place, place + 1) for place, edge in enumerate(space.EDGES))


def _graph(space: ModuleType):
    """How to draw a cell of the space, and the width, lowest and highest place that it needs, in inches."""
    outputs = _outputs(space)
    places = [_middle(source, target) for source, target in [*space.EDGES, *outputs]]
    low, high = (pick(y for _, y in places) for pick in (min, max))

    def draw_cell(axes: Axes, cell: Cell) -> None:
        for source, target in outputs:
            _arc(axes, source, target, PALE, "-", 0)
        for edge, operation in cell:
            kept = space.OPERATIONS[operation] != "none"
            _arc(axes, *space.EDGES[edge], colour_of(space, operation), "-" if kept else ":", 1)
        for edge, operation in cell:
            x, y = _middle(*space.EDGES[edge])
            label = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": colour_of(space, operation)}
            axes.text(x, y, space.OPERATIONS[operation], ha="center", va="center", size=7, bbox=label, zorder=3)
        targets = {target for _, target in space.EDGES}
        for node, name in enumerate(space.DRAWN):
            last = node == len(space.DRAWN) - 1
            colour = OUTPUT if last else NODE if node in targets else INPUT
            box = {"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": INK, "linewidth": 0.8}
            axes.text(_x(node), 0, node_name(name), ha="center", va="center", size=9, bbox=box, zorder=4)

    return draw_cell, _x(len(space.DRAWN) - 1) + 0.45, low - 0.15, high + 0.15


def _outputs(space: ModuleType) -> list[tuple[int, int]]:
    """Edges without a choice: where no gate leads to the last node, it joins all nodes that a gate leads to."""
    targets, last = sorted({target for _, target in space.EDGES}), len(space.DRAWN) - 1
    return [] if last in targets else [(node, last) for node in targets]


def _x(node: int) -> float:
    return 0.45 + STEP * node


def _middle(source: int, target: int) -> tuple[float, float]:
    side = 1 if source % 2 == 0 else -1
    return (_x(source) + _x(target)) / 2, side * (0.1 + RISE * (target - source))


def _arc(axes: Axes, source: int, target: int, colour: str, style: str, order: int) -> None:
    middle = _middle(source, target)[1]
    start = math.copysign(RADIUS, middle)
    height = start + (middle - start) * 4 / 3
    ends = [(_x(source), start), (_x(source), height), (_x(target), height), (_x(target), start)]
    curve = Curve(ends, [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4])
    arrow = FancyArrowPatch(path=curve, arrowstyle="-|>", mutation_scale=8, color=colour, linewidth=1.2, zorder=order)
    arrow.set(linestyle=style, clip_on=False)
    axes.add_patch(arrow)


def _chain(space: ModuleType):
    """The same for a chain: a box for each block, and under the lines between them the names of the nodes."""

    def draw_cell(axes: Axes, cell: Cell) -> None:
        axes.plot([0.1, 0.1 + BLOCK * (len(space.EDGES) + 0.5)], [0, 0], color=GREY, linewidth=1, zorder=0)
        kept = dict(cell)
        name = space.DRAWN[0]
        for node, own in enumerate(space.DRAWN):
            name = own if node - 1 in kept else name  # a block that is left out changes nothing
            axes.text(0.2 + BLOCK * node, -0.42, name, ha="center", va="center", size=7, color=GREY)
        for edge in range(len(space.EDGES)):
            colour = colour_of(space, kept[edge]) if edge in kept else GREY
            box = FancyBboxPatch(
                (0.2 + BLOCK * edge + 0.08, -0.25),
                BLOCK - 0.16,
                0.5,
                boxstyle="round,pad=0.02",
                facecolor="white",
                edgecolor=colour,
                linewidth=1.6 if edge in kept else 0.8,
                linestyle="-" if edge in kept else ":",
            )
            axes.add_patch(box)
            name = space.OPERATIONS[kept[edge]].replace("_", "\n") if edge in kept else "no\nblock"
            axes.text(0.2 + BLOCK * (edge + 0.5), 0, name, ha="center", va="center", size=7, linespacing=1.05)

    return draw_cell, 0.4 + BLOCK * len(space.EDGES), -0.5, 0.3
