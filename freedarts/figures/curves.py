"""Learning curves of trainings, over those of the training logs in the paper's release."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from freedarts.figures import COLOURS, INK, hover, panels, styled

Case = tuple[str, str, str, int, int]
STYLES = ("--", ":", "-.")


@styled()
def draw(
    trainings: dict[Case, list[tuple[int, float]]], published: list[dict], replayed: dict[str, str] | None = None
) -> Figure:
    """trainings: (task, supernet, source, seed, run) -> (epoch, test error in percent) of each epoch that is done.
    published: resources/curves.yaml. replayed: log -> verdict of its replay. One panel a task that was trained here or
    for the release."""
    tasks = list(dict.fromkeys([*(task for task, *_ in trainings), *(curve["task"] for curve in published)]))
    figure, drawn = panels(tasks, "Nothing was trained.")
    for axes, task in zip(drawn, tasks, strict=True):
        _panel(
            axes,
            {case[1:]: curve for case, curve in trainings.items() if case[0] == task},
            [curve for curve in published if curve["task"] == task],
            replayed or {},
        )
    return figure


def _panel(
    axes: Axes, trainings: dict[tuple, list[tuple[int, float]]], published: list[dict], replayed: dict[str, str]
) -> None:
    for style, curve in zip(STYLES, published, strict=False):
        name, errors = f"published log: {curve['supernet']}, seed {curve['seed']}", curve["errors"]
        (line,) = axes.plot(errors, style, color=INK, linewidth=0.9, label=name)
        _say(line, name, list(enumerate(errors)))
        if verdict := replayed.get(curve["log"]):
            axes.plot(0, errors[0], "o", color=COLOURS[2], markersize=5, label=f"replayed here: {verdict}")
    sources = list(dict.fromkeys((supernet, source) for supernet, source, *_ in trainings))
    for (supernet, source, seed, run), curve in trainings.items():
        colour = COLOURS[(sources.index((supernet, source)) + 4) % len(COLOURS)]
        first = next(case for case in trainings if case[:2] == (supernet, source)) == (supernet, source, seed, run)
        marker = "." if len(curve) < 20 else None
        label = f"{source} on {supernet}" if first else None
        (line,) = axes.plot(*zip(*curve, strict=True), color=colour, linewidth=1.2, marker=marker, label=label)
        _say(line, f"{source} on {supernet}, seed {seed}, run {run}", curve)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="epoch", ylabel="test error, %")
    axes.grid(color="#eeeeee")
    axes.legend(loc="upper right", edgecolor="none")  # where errors that fall leave room


def _say(line: Line2D, name: str, curve: list[tuple[int, float]]) -> None:
    if curve:
        (last, error), (best, least) = curve[-1], min(curve, key=lambda point: point[1])
        hover(line, f"{name}: {error:.2f} % in epoch {last}, the last; least, {least:.2f} % in epoch {best}")
