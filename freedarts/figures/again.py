"""How many entries of the published genotypes come out again, beside what chance and a second computation give."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freedarts.figures import COLOURS, INK, styled

# Of a row of the table: column, marker, label.
BESIDE = (
    ("uniform", "|", "two random genotypes"),
    ("same gates", "x", "same gates, a score that says nothing"),
    ("2nd computation", "D", "the search itself, computed again"),
)


@styled()
def draw(rows: list[dict]) -> Figure:
    """rows: of the table "Found again" (freedarts.tables.again); those without a genotype to compare are left out."""
    shown = [row for row in rows if row["n"]]
    bar, above, below = 0.3, 0.35, 0.45
    height = above + below + bar * max(len(shown), 1)
    figure = Figure(figsize=(7.5, height))
    axes = figure.add_axes((0.39, below / height, 0.51, bar * max(len(shown), 1) / height))
    places = range(len(shown))
    shares = [row["shared"] / row["of"] for row in shown]
    colours = [COLOURS[2] if row["whole"] == row["n"] else COLOURS[6] for row in shown]
    axes.barh(places, shares, color=colours, height=0.62)
    for place, row in zip(places, shown, strict=True):
        for column, marker, _ in BESIDE:
            if row[column] is not None:
                axes.plot(row[column] / row["of"], place, marker, color=INK, markersize=6, markerfacecolor="none")
        text = f"{row['shared']:.1f} of {row['of']}"
        axes.text(1.02, place, text, va="center", transform=axes.get_yaxis_transform())
    axes.set_yticks(places, [f"{row['score']}, {row['supernet']} (n = {row['n']})" for row in shown])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.02), xlabel="entries of the published genotypes that come out again from their seeds")
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    marks = [
        Line2D([], [], marker=marker, color=INK, linestyle="", markersize=6, markerfacecolor="none", label=label)
        for _, marker, label in BESIDE
    ]
    figure.legend(handles=marks, loc="upper left", ncols=3, edgecolor="none", handletextpad=0.2)
    return figure
