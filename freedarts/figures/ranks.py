"""Ranks of whole architectures by a score against their ranks by accuracy."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from freedarts.architectures.correlation import LEAST, spearman
from freedarts.figures import COLOURS, INK

PANEL, COLUMNS = 2.4, 2  # inches; panels in a row, two on a phone
DOTS = 1000  # architectures that are still drawn one by one

Case = tuple[str, int, int]


def draw(cases: dict[Case, tuple[np.ndarray, np.ndarray]], dataset: str) -> Figure:
    """cases: (score, architectures, seed) -> scores (N,) and accuracies (N,) of the same architectures; NaN: none.
    dataset: whose accuracies they are."""
    rows = -(-len(cases) // COLUMNS) or 1
    width, height = PANEL * min(max(len(cases), 1), COLUMNS) + 0.3, PANEL * rows + 0.3
    figure = Figure(figsize=(max(width, 4), height))
    for place, ((score, _, seed), (scores, accuracies)) in enumerate(cases.items()):
        row, column = divmod(place, COLUMNS)
        corner = ((0.5 + PANEL * column) / max(width, 4), (0.45 + PANEL * (rows - 1 - row)) / height)
        axes = figure.add_axes((*corner, (PANEL - 0.4) / max(width, 4), (PANEL - 0.75) / height))
        both = ~np.isnan(scores) & ~np.isnan(accuracies)
        _panel(axes, scores[both], accuracies[both])
        title = f"{score}, seed {seed}" if any(case[0] == score and case[2] != seed for case in cases) else score
        axes.set_title(title, loc="left")
        axes.set_xlabel("rank by score, %" if row == rows - 1 or place + COLUMNS >= len(cases) else "")
        axes.set_ylabel(f"rank by accuracy, % ({dataset})" if column == 0 else "")
    if not cases:
        figure.text(0.02, 0.5, "No architecture was scored.")
    return figure


def _percent(values: np.ndarray) -> np.ndarray:
    """Ranks, 100 the highest; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (100 * (np.cumsum(counts) - (counts - 1) / 2) / len(values))[inverse]


def _panel(axes: Axes, scores: np.ndarray, accuracies: np.ndarray) -> None:
    axes.set(xlim=(0, 100), ylim=(0, 100), xticks=(0, 50, 100), yticks=(0, 50, 100))
    if len(scores) < LEAST or np.ptp(scores) == 0 or np.ptp(accuracies) == 0:
        axes.text(50, 50, "no ranks", ha="center", va="center")
        return
    x, y = _percent(scores), _percent(accuracies)
    if len(x) > DOTS:
        axes.hexbin(x, y, gridsize=22, extent=(0, 100, 0, 100), cmap="Blues", mincnt=1, linewidths=0.1)
    else:
        axes.plot(x, y, ".", color=COLOURS[4], markersize=3, alpha=0.6, clip_on=False)
    rho, _ = spearman(scores, accuracies)
    label, box = f"ρ = {rho:.2f}, n = {len(x):,}", {"facecolor": "white", "linewidth": 0, "pad": 1}
    axes.text(0.03, 0.97, label, transform=axes.transAxes, va="top", color=INK, bbox=box)
