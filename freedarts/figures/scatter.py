"""Scores of architectures against their accuracies, with the distribution of both, and what each source selects."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import AsinhLocator, NullLocator

from freedarts.architectures.correlation import LEAST, spearman
from freedarts.figures import COLOURS, GREY, INK, PALE, hover

PANEL, COLUMNS = 3.1, 2  # inches; panels in a row, two on a phone
ENTRIES, LINE = 2, 0.17  # of the legend: sources in a line, and its height in inches
BINS = 40
TICKS = (10, 50, 70, 80, 90, 94)  # percent
FEW = 5  # ticks of a logarithmic scale
WIDE = 100  # times the median: scores with such values have a logarithmic scale
MARKERS = "os^Dv<>P"


def draw(
    cases: dict[tuple[str, str], np.ndarray], accuracies: np.ndarray, sources: dict[str, list[int]], dataset: str
) -> Figure:
    """cases: (title, what the scores are) -> scores (N,); accuracies: (N,) of the same architectures, in percent; NaN:
    none. sources: name -> which of the N architectures it has. dataset: whose accuracies they are."""
    rows, lines = -(-len(cases) // COLUMNS) or 1, -(-len(sources) // ENTRIES)
    foot = LINE * (lines + 1)
    height = PANEL * rows + foot
    figure = Figure(figsize=(PANEL * COLUMNS, height))
    if not cases:
        figure.text(0.02, 0.5, "No architecture was scored.")
        return figure
    grid = GridSpec(rows, COLUMNS, figure, 0.09, (foot + 0.4) / height, 0.99, 1 - 0.25 / height, 0.2, 0.35)
    for number, ((title, label), scores) in enumerate(cases.items()):
        inner = grid[divmod(number, COLUMNS)].subgridspec(
            2, 2, width_ratios=(6, 1), height_ratios=(1, 6), wspace=0.04, hspace=0.04
        )
        axes = figure.add_subplot(inner[1, 0])
        axes.set_xlabel(label, loc="left")
        axes.set_ylabel(f"test accuracy, % ({dataset})" if number % COLUMNS == 0 else "")
        _scales(axes, scores[~np.isnan(scores)])
        both = ~np.isnan(scores) & ~np.isnan(accuracies)
        _points(axes, scores[both], accuracies[both])
        handles = [
            axes.plot(scores[places], accuracies[places], MARKERS[place % len(MARKERS)], **_mark(place))[0]
            for place, places in enumerate(sources.values())
        ]
        for handle, (name, places) in zip(handles, sources.items(), strict=True):
            hover(handle, f"{name}: {', '.join(f'{accuracies[place]:.2f} %' for place in places)}")
        above, right = figure.add_subplot(inner[0, 0], sharex=axes), figure.add_subplot(inner[1, 1], sharey=axes)
        _margin(above, axes.xaxis, scores[both], "vertical")
        _margin(right, axes.yaxis, accuracies[both], "horizontal")
        above.set_title(title, loc="left")
    figure.legend(handles, sources, loc="lower center", ncols=ENTRIES, frameon=False)
    return figure


def _mark(place: int) -> dict:
    return {"color": COLOURS[place % len(COLOURS)], "markersize": 4.5, "markeredgecolor": INK, "markeredgewidth": 0.4}


def _scales(axes: Axes, scores: np.ndarray) -> None:
    """Accuracies by the logarithm of the error, which tells the best ones apart; scores as they are, or, where a few
    dwarf the others, by their logarithm, but linear around zero."""
    axes.set_yscale("function", functions=(lambda a: -np.log(101 - a), lambda b: 101 - np.exp(-b)))
    axes.set_yticks(TICKS, TICKS, minor=False)
    axes.minorticks_off()
    sizes = np.abs(scores[scores != 0])
    if len(sizes) and sizes.max() > WIDE * np.median(sizes):
        axes.set_xscale("asinh", linear_width=(width := np.quantile(sizes, 0.01)))
        axes.xaxis.set_major_locator(AsinhLocator(width, FEW))
        axes.xaxis.set_minor_locator(NullLocator())


def _points(axes: Axes, scores: np.ndarray, accuracies: np.ndarray) -> None:
    size, alpha = (1.5, 0.25) if len(scores) > 1000 else (3, 0.8)
    axes.plot(scores, accuracies, ".", color=GREY, markersize=size, alpha=alpha, markeredgewidth=0, rasterized=True)
    if len(scores) >= LEAST and np.ptp(scores) > 0 and np.ptp(accuracies) > 0:
        label, box = f"ρ = {spearman(scores, accuracies)[0]:.2f}, n = {len(scores):,}", {"facecolor": "white"}
        place = {"transform": axes.transAxes, "ha": "right", "va": "bottom"}
        axes.text(0.98, 0.03, label, color=INK, bbox={**box, "linewidth": 0, "pad": 1}, **place)


def _margin(axes: Axes, axis: Axis, values: np.ndarray, orientation: str) -> None:
    """A histogram whose bars are equally wide on the scale of *axis*."""
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(which="both", left=False, bottom=False, labelleft=False, labelbottom=False)
    if len(values):
        scale, ends = axis.get_transform(), np.array([values.min(), values.max()])
        edges = scale.inverted().transform(np.linspace(*scale.transform(ends), BINS + 1))
        edges[[0, -1]] = ends  # which the way back has rounded
        axes.hist(values, edges, orientation=orientation, color=PALE, edgecolor=GREY, linewidth=0.3)
