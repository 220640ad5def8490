"""The graph of the workflow's rules, from `snakemake --rulegraph`, without Graphviz."""

import re

import networkx as nx
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve

from freedarts.figures import GREY, INK, styled
from freedarts.files import InputError

COLUMN, BOX, ROW = 1.9, 1.4, 0.45  # inches
FILL = "#e8f1fa"


def parse(dot: str, where: str) -> nx.DiGraph:
    """The graph in Snakemake's DOT text. Raises InputError if it holds none, or a circle."""
    # There is a rule sample_… for each source that is drawn; they are one here.
    names = dict(re.findall(r'^\s*(\d+)\s*\[label = "(sample(?=_)|[\w-]+)', dot, re.MULTILINE))
    edges = re.findall(r"^\s*(\d+) -> (\d+)\s*$", dot, re.MULTILINE)
    graph = nx.DiGraph()
    graph.add_nodes_from(names.values())
    try:
        arrows = [(names[source], names[target]) for source, target in edges]
    except KeyError as error:
        raise InputError(f"{where}: an arrow from or to rule {error}, which has no name") from None
    graph.add_edges_from((source, target) for source, target in arrows if source != target)
    if not names or not nx.is_directed_acyclic_graph(graph):
        raise InputError(f"{where}: not a graph of rules, as `snakemake --rulegraph` prints it")
    return graph


@styled()
def draw(graph: nx.DiGraph) -> Figure:
    """From left to right, each rule as far to the right as it can be; an arrow that follows from others is left out."""
    layers, segments = _layers(nx.transitive_reduction(graph))
    places: dict[object, tuple[float, float]] = {}
    for column, layer in enumerate(layers):
        for row, node in enumerate(layer):
            places[node] = (COLUMN * (column + 0.5), ROW * ((len(layer) - 1) / 2 - row))
    width, height = COLUMN * len(layers), ROW * (max(map(len, layers)) + 0.5)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(-height / 2, height / 2))
    axes.axis("off")
    for rule, (x, y) in places.items():
        if rule not in graph:
            axes.plot([x - BOX / 2, x + BOX / 2], [y, y], color=GREY, linewidth=1, zorder=0)
            continue
        corner = (x - BOX / 2, y - ROW * 0.3)
        axes.add_patch(
            FancyBboxPatch(
                corner, BOX, ROW * 0.6, boxstyle="round,pad=0,rounding_size=0.06", facecolor=FILL, edgecolor=INK
            )
        )
        axes.text(x, y, rule, ha="center", va="center")
    for source, target in segments:
        (x, y), (to_x, to_y) = places[source], places[target]
        x, to_x = x + BOX / 2, to_x - BOX / 2
        middle = (x + to_x) / 2
        curve = Curve([(x, y), (middle, y), (middle, to_y), (to_x, to_y)], [Curve.MOVETO, *[Curve.CURVE4] * 3])
        style = {"arrowstyle": "-|>", "mutation_scale": 8} if target in graph else {"arrowstyle": "-"}
        axes.add_patch(FancyArrowPatch(path=curve, color=GREY, linewidth=1, zorder=0, **style))
    return figure


def _layers(graph: nx.DiGraph) -> tuple[list[list], list[tuple]]:
    """The nodes of each column, from top to bottom, and the lines from one column to the next. A long arrow has a node
    of its own in each column that it crosses, so that it passes no rule."""
    backwards = list(nx.topological_generations(graph.reverse()))
    column = {rule: len(backwards) - 1 - place for place, layer in enumerate(backwards) for rule in layer}
    lines = nx.DiGraph()
    for source, target in sorted(graph.edges):  # the reduction has them in the order of a set
        between = [(source, target, place) for place in range(column[source] + 1, column[target])]
        column |= {node: node[2] for node in between}
        nx.add_path(lines, [source, *between, target])
    layers = [sorted((node for node in column if column[node] == place), key=str) for place in range(len(backwards))]
    for sweep in range(8):
        ordered = layers if sweep % 2 else layers[::-1]
        for layer, beside in zip(ordered[1:], ordered, strict=False):
            rank = {node: row - len(beside) / 2 for row, node in enumerate(beside)}
            layer.sort(key=lambda node, rank=rank: _mean([rank[n] for n in nx.all_neighbors(lines, node) if n in rank]))
    return layers, list(lines.edges)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0
