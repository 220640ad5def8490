"""The first steps of the release's trainings, taken here, over what their logs print."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from freedarts.figures import COLOURS, INK, hover, panels, styled


@styled()
def draw(replays: list[dict]) -> Figure:
    """replays: contents of results/replays/{log}.json. One panel a log that was followed beyond its first step."""
    shown = [replay for replay in replays if replay["rows"]]
    titles = [f"{replay['log']}: {replay['verdict']}" for replay in shown]
    figure, drawn = panels(titles, "No log was followed beyond its first step.")
    for axes, replay in zip(drawn, shown, strict=True):
        _panel(axes, replay)
    return figure


def _panel(axes: Axes, replay: dict) -> None:
    for number, (name, losses) in enumerate(replay["curves"].items()):
        copy = name.startswith("run")
        label = f"{replay['runs']} copies" if copy and not number else None if copy else "another seed"
        colour = COLOURS[0] if copy else COLOURS[1]
        axes.plot(range(len(losses)), losses, color=colour, linewidth=0.9, alpha=0.8, label=label)
    rows = replay["rows"]
    steps, means = [row["step"] for row in rows], [row["mean"]["loss"] for row in rows]
    bounds = [row["bound"] for row in rows]
    axes.errorbar(
        steps, means, bounds, fmt="none", ecolor=COLOURS[0], capsize=4, label="within what a copy may be off by"
    )
    logged = [row["logged"]["loss"] for row in rows]
    for place, (step, loss, mean, bound) in enumerate(zip(steps, logged, means, bounds, strict=True)):
        (point,) = axes.plot(step, loss, "o", color=INK, markersize=4, label=None if place else "published log")
        hover(point, f"step {step}: log {loss:.4f}, here {mean:.4f}, allowed ± {bound:.4f}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="step of the first epoch", ylabel="running mean of the loss")
    axes.grid(color="#eeeeee")
    axes.legend(loc="upper right", edgecolor="none")
