"""Figures: from dictionaries to SVG, the same bytes for the same values. Knows no paths of results and no torch."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from freedarts.files import write_text

INK, GREY, PALE = "#222222", "#8a8a8a", "#dddddd"
# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#e69f00", "#a87500", "#009e73", "#56b4e9", "#0072b2", "#cc79a7", "#d55e00")

HOVER = re.compile("""<g id=(["'])hover (.*?)\\1>""")  # of which what is said is escaped

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
    said = HOVER.sub(r"<g>\n<title>\2</title>", text.getvalue())
    # Trailing blanks, and nothing else, differ from what a text file should hold.
    write_text(path, "".join(f"{line.rstrip()}\n" for line in said.splitlines()))


def hover(artist: Artist, text: str) -> None:
    """Text that a browser shows where the mouse rests on the artist: its name until `write_svg` makes it a title."""
    artist.set_gid(f"hover {text}")


def panels(titles: list[str], nothing: str) -> tuple[Figure, list[Axes]]:
    """A figure with axes for each title, two in a row; without titles it says *nothing*."""
    panel, width, columns = 2.9, 4.6, min(2, max(len(titles), 1))
    rows = -(-len(titles) // columns)
    whole = (width * columns, panel * max(rows, 0.3))
    figure = Figure(figsize=whole)
    if not titles:
        figure.text(0.02, 0.5, nothing)
    drawn = []
    for place, title in enumerate(titles):
        row, column = divmod(place, columns)
        corner = ((width * column + 0.6) / whole[0], 1 - (panel * (row + 1) - 0.5) / whole[1])
        drawn.append(figure.add_axes((*corner, (width - 0.75) / whole[0], (panel - 0.85) / whole[1])))
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
