"""Figures: from dictionaries to SVG, the same bytes for the same values. Knows no paths of results and no torch."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from freedarts.files import write_text

INK, GREY, PALE = "#222222", "#8a8a8a", "#dddddd"
# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#e69f00", "#a87500", "#009e73", "#56b4e9", "#0072b2", "#cc79a7", "#d55e00")

# Text stays text, which can be searched and is a third of the size; Verdana is as wide as DejaVu Sans, which not every
# browser has.
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "freedarts",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
}


@contextmanager
def styled() -> Iterator[None]:
    """Inside, or in a function that it decorates, figures look the same whatever the user's matplotlibrc or notebook
    has set; afterwards that is as it was."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


@styled()
def write_svg(path: Path, figure: Figure) -> None:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    # Trailing blanks, and nothing else, differ from what a text file should hold.
    write_text(path, "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))


def panels(titles: list[str], nothing: str) -> tuple[Figure, list[Axes]]:
    """A figure with axes for each title, one below the other; without titles it says *nothing*."""
    panel = 2.9
    height = panel * max(len(titles), 0.3)
    figure = Figure(figsize=(5, height))
    if not titles:
        figure.text(0.02, 0.5, nothing)
    drawn = []
    for place, title in enumerate(titles):
        bottom = height - panel * (place + 1)
        drawn.append(figure.add_axes((0.12, (bottom + 0.5) / height, 0.85, (panel - 0.85) / height)))
        drawn[-1].set_title(title, loc="left")
    return figure, drawn


def colour_of(space: ModuleType, operation: int) -> str:
    """The colour of an operation in all drawings of its space; `none` is grey."""
    names = [name for name in space.OPERATIONS if name != "none"]
    name = space.OPERATIONS[operation]
    return COLOURS[names.index(name) % len(COLOURS)] if name in names else GREY


def node_name(name: str) -> str:
    """c_{k-2} as mathematics, other names as they are."""
    return f"${name}$" if "_" in name else name


def seeds_name(seeds: list[int]) -> str:
    """seed 3; seeds 0, 1, 4; seeds 0 to 4."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"


def distinct(genotypes: dict[int, object]) -> dict[object, list[int]]:
    """genotypes: seed -> genotype. Returns each one that differs -> its seeds."""
    found: dict[object, list[int]] = {}
    for seed, genotype in genotypes.items():
        found.setdefault(genotype, []).append(seed)
    return found
