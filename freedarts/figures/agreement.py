"""How much of a genotype the search seeds of a source agree on, beside chance."""

import statistics
from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from freedarts import spaces
from freedarts.figures import COLOURS, INK, hover, styled
from freedarts.genotype import Refused, agreement

BAR, PLOT, LETTER = 0.26, 3.0, 0.07  # inches: height of a bar, width of the plots and of a letter
TITLE = "Entries that the genotypes of two seeds share"


@styled()
def draw(genotypes: dict[tuple[str, str], dict[int, object]]) -> Figure:
    """genotypes: (supernet, source) -> seed -> genotype. A source with fewer than two genotypes has no bar."""
    shares: dict[str, dict[str, tuple[list[float], float]]] = {}
    for (supernet, source), found in genotypes.items():
        if measured := _shares([g for g in found.values() if not isinstance(g, Refused)]):
            shares.setdefault(supernet, {})[source] = measured
    panels = [BAR * len(sources) + 0.6 for sources in shares.values()]
    height = sum(panels) + 1.1
    names = LETTER * max((len(source) for sources in shares.values() for source in sources), default=0)
    width = names + PLOT + 0.5
    figure = Figure(figsize=(width, height))
    figure.text(0.015, 1 - 0.1 / height, TITLE, va="top", weight="bold", size=10)
    caption = "Bar: mean over all pairs of seeds. Dots: the pairs.\nLine: two uniformly random genotypes, expected."
    figure.text(0.015, 1 - 0.34 / height, caption, va="top")
    bottom = height - 0.65
    for (supernet, sources), panel in zip(shares.items(), panels, strict=True):
        bottom -= panel
        axes = figure.add_axes(
            ((names + 0.15) / width, bottom / height, PLOT / width, (panel - 0.55) / height), xlim=(0, 1.02)
        )
        _bars(axes, sources)
        axes.set_title(supernet, loc="left")
    if not shares:
        figure.text(0.015, 0.3, "No source has two genotypes.")
    return figure


def _shares(genotypes: list) -> tuple[list[float], float] | None:
    """Of all entries, the part that each pair shares, and that by chance."""
    if len(genotypes) < 2:
        return None
    space = spaces.load(genotypes[0].space)
    # Of a genotype that leaves blocks out, what it leaves out counts too.
    entries = sum(agreement(genotypes[0], genotypes[0]).values())
    pairs = [sum(agreement(*pair).values()) / entries for pair in combinations(genotypes, 2)]
    return pairs, sum(spaces.chance(space).values()) / entries


def _bars(axes: Axes, sources: dict[str, tuple[list[float], float]]) -> None:
    for place, (pairs, chance) in enumerate(sources.values()):
        (bar,) = axes.barh(place, statistics.fmean(pairs), 0.6, color=COLOURS[3])
        hover(bar, f"{list(sources)[place]}: {statistics.fmean(pairs):.1%}, by chance {chance:.1%}")
        axes.plot(pairs, [place] * len(pairs), ".", color=COLOURS[4], markersize=4, alpha=0.6, clip_on=False)
        axes.vlines(chance, place - 0.42, place + 0.42, color=INK, linewidth=1.5)
    axes.set_yticks(range(len(sources)), list(sources))
    axes.set_ylim(len(sources) - 0.5, -0.5)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
