"""Heat maps of the scores of a search, edges x operations, with how often the search keeps each operation."""

import math
from collections import Counter
from types import ModuleType

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from freedarts import spaces
from freedarts.figures import hover, node_name, styled
from freedarts.genotype import Refused

CELL, ROW, BOTTOM = 0.62, 0.27, 0.6  # inches
ZERO = "#eeeeee"


@styled()
def draw(searches: dict[int, dict], genotypes: dict[int, object], title: str) -> Figure:
    """searches: seed -> scores.json, of one score on one supernet. genotypes: seed -> what each one selects.

    Colours show the mean over the seeds of score / largest |score| of that seed: the scale of scores differs between
    seeds, and no selection depends on it.
    """
    space = spaces.load(next(iter(searches.values()))["space"])
    shares = {group: _shares(searches, space, group) for group in space.GATES}
    used = sum(result["scores"] is not None for result in searches.values())
    labels, rows = 0.8, len(space.EDGES) * ROW
    width = len(space.GATES) * (labels + len(space.OPERATIONS) * CELL + 0.15) + 0.8
    height = rows + BOTTOM + 0.95
    figure = Figure(figsize=(max(width, 5.5), height))
    figure.text(0.1 / figure.get_figwidth(), 1 - 0.08 / height, title, va="top", weight="bold", size=10)
    figure.text(0.1 / figure.get_figwidth(), 1 - 0.32 / height, _caption(searches, used), va="top")
    if not used:
        return figure
    norm, colours = _scale(np.concatenate([matrix.ravel() for matrix in shares.values()]))
    left = labels
    for group, matrix in shares.items():
        place = (left, BOTTOM, len(space.OPERATIONS) * CELL, rows)
        axes = figure.add_axes(_part(figure, place))
        mesh = axes.pcolormesh(matrix, norm=norm, cmap=colours, edgecolors="white", linewidth=0.5)
        _label(axes, space, group if len(shares) > 1 else "")
        _say(axes, matrix, space)
        _count(axes, mesh, matrix, genotypes, space, group)
        left += len(space.OPERATIONS) * CELL + labels + 0.15
    bar = figure.add_axes(_part(figure, (left - labels, BOTTOM, 0.12, rows)))
    figure.colorbar(mesh, cax=bar, ticks=_ticks(norm)).outline.set_linewidth(0.5)
    return figure


def _shares(searches: dict[int, dict], space: ModuleType, group: str) -> np.ndarray:
    """Mean over the seeds, (edges, operations); zeros if no seed has scores."""
    matrices = [np.zeros((len(space.EDGES), len(space.OPERATIONS)))]
    for result in searches.values():
        if result["scores"] is not None:
            largest = max(np.abs(matrix).max() for matrix in map(np.array, result["scores"].values()))
            matrices.append(np.array(result["scores"][group]) / (largest or 1))
    return np.mean(matrices[1:] or matrices, axis=0)


def _scale(values: np.ndarray) -> tuple[Normalize, Colormap]:
    """Logarithmic, because scores span up to fifteen decades; diverging where some are negative, which below the
    smallest of three decades from the top is linear."""
    size = np.abs(values)
    high = size.max() or 1
    if values.min() < 0:
        return SymLogNorm(high * 1e-3, vmin=-high, vmax=high, base=10), colormaps["RdBu_r"]
    positive = size[size > 0]
    low = positive.min() if positive.size else high / 10
    return LogNorm(min(low, high / 10), high), colormaps["viridis"].with_extremes(bad=ZERO)


def _ticks(norm: Normalize) -> list[float] | None:
    """Powers of ten and zero on the diverging scale, whose own choice crowds them around zero."""
    if not isinstance(norm, SymLogNorm):
        return None
    powers = [
        10.0**power for power in range(math.ceil(math.log10(norm.linthresh)), math.floor(math.log10(norm.vmax)) + 1)
    ]
    return [*(-power for power in powers), 0, *powers]


def _caption(searches: dict[int, dict], used: int) -> str:
    verdicts = Counter(result["audit"]["verdict"] for result in searches.values())
    audit = "Audit: " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())) + "."
    if not used:
        return f"{audit} No scores."
    seeds = f"{used} seeds" if used > 1 else "one seed"
    return (
        f"Colour: score as a share of the largest, mean over {seeds}; pale: zero.\n"
        f"Number: seeds whose genotype keeps the operation. {audit}"
    )


def _part(figure: Figure, inches: tuple[float, float, float, float]) -> tuple[float, ...]:
    size = [*figure.get_size_inches()] * 2
    return tuple(value / whole for value, whole in zip(inches, size, strict=True))


def _label(axes: Axes, space: ModuleType, title: str) -> None:
    chain = all(edge == (place, place + 1) for place, edge in enumerate(space.EDGES))
    names = [
        (f"{edge}:  " if chain else "") + f"{node_name(space.DRAWN[source])} → {node_name(space.DRAWN[target])}"
        for edge, (source, target) in enumerate(space.EDGES)
    ]
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    axes.set_xticks(np.arange(len(space.OPERATIONS)) + 0.5, [name.replace("_", "\n") for name in space.OPERATIONS])
    axes.tick_params(length=0, labelsize=7)
    axes.invert_yaxis()
    axes.set_title(title)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _say(axes: Axes, matrix: np.ndarray, space: ModuleType) -> None:
    """The value of each cell, over it."""
    for (edge, operation), share in np.ndenumerate(matrix):
        cell = axes.add_patch(Rectangle((operation, edge), 1, 1, linewidth=0, alpha=0, clip_on=False))
        hover(cell, f"edge {edge}, {space.OPERATIONS[operation]}: {share:.3g}")


def _count(axes: Axes, mesh, matrix: np.ndarray, genotypes: dict[int, object], space: ModuleType, group: str) -> None:
    kept: dict[tuple[int, int], int] = {}
    for genotype in genotypes.values():
        for edge, operation in () if isinstance(genotype, Refused) else space.kept(genotype)[group]:
            if operation >= 0:  # of a block that is left out there is none
                kept[edge, operation] = kept.get((edge, operation), 0) + 1
    for (edge, operation), count in kept.items():
        red, green, blue, _ = mesh.cmap(mesh.norm(matrix[edge, operation]))
        colour = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
        axes.text(
            operation + 0.5, edge + 0.5, str(count), ha="center", va="center", color=colour, size=8, weight="bold"
        )
