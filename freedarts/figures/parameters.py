"""Parameters of networks against the test errors that the paper, its logs and other papers print."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from freedarts.figures import COLOURS, INK, hover, panels, styled

KEYS = ("task", "supernet", "source")
# How an error is drawn: marker, whether it is filled.
ERRORS = {"paper": ("o", INK), "log, last epoch": ("D", "none"), "log, best epoch": ("v", "none")}
OTHERS = "#767676"


@styled()
def draw(numbers: list[dict], published: dict, field: list[dict]) -> Figure:
    """numbers, published, field: resources/numbers.yaml, costs.yaml and the results of field.yaml. One panel a data set
    and measure; a number whose networks have no published parameters has no point. Where it is not recorded which of
    several networks was trained, a line joins the least and the largest."""
    parameters = {(*(each[key] for key in KEYS), each["seed"]): each["parameters"] for each in published["genotypes"]}
    drawn: dict[str, list[tuple[dict, list[float]]]] = {}
    for number in numbers:
        by = number["reproduced_by"]
        cases = [(*(by.get(key) for key in KEYS), seed) for seed in by["seeds"]]
        if sizes := [parameters[case] / 1e6 for case in cases if case in parameters]:
            drawn.setdefault(f"{number['dataset']} {number['measure']}", []).append((number, sizes))
    figure, axes = panels(list(drawn), "No number has published parameters.")
    methods = list(dict.fromkeys(number["method"] for points in drawn.values() for number, _ in points))
    colours = {method: COLOURS[place % len(COLOURS)] for place, method in enumerate(methods)}
    for panel, (name, points) in zip(axes, drawn.items(), strict=True):
        _others(panel, [result for result in field if f"{result['dataset']} {result['measure']}" == name])
        _panel(panel, points, colours)
    return figure


def _others(axes: Axes, results: list[dict]) -> None:
    for result in results:
        size, error = result["parameters"], result["error"]
        (point,) = axes.plot(size, error, "s", color=OTHERS, markersize=4)
        spread = f" ± {result['std']}" if "std" in result else ""
        hover(point, f"{result['method']}: {error}{spread} %, {size} M ({result['source']})")
        axes.annotate(result["method"], (size, error), (4, 3), textcoords="offset points", color=OTHERS, fontsize=6)


def _panel(axes: Axes, points: list[tuple[dict, list[float]]], colours: dict[str, str]) -> None:
    for number, sizes in points:
        log, colour = number["log"] or {}, colours[number["method"]]
        errors = {"paper": number["value"], "log, last epoch": log.get("last"), "log, best epoch": log.get("best")}
        ends, middle = (min(sizes), max(sizes)), (min(sizes) + max(sizes)) / 2
        size = "{:.2f} M" if len(sizes) == 1 else "{:.2f} to {:.2f} M"
        for name, error in errors.items():
            if error is None:
                continue
            marker, face = ERRORS[name]
            style = {"color": colour, "markerfacecolor": colour if face == INK else face, "markersize": 6}
            label = number["method"] if name == "paper" else None
            (point,) = axes.plot(middle, error, marker, label=label, **style)
            hover(point, f"{number['method']}, {name}: {error} %, {size.format(*dict.fromkeys(ends))}")
        axes.plot(ends, [number["value"]] * 2, "-", color=colour, linewidth=1.2, zorder=0)
    axes.plot([], [], "D", color=INK, markerfacecolor="none", label="its log, last epoch")
    axes.plot([], [], "v", color=INK, markerfacecolor="none", label="its log, best epoch")
    axes.set(xlabel="parameters, millions", ylabel="test error, %")
    axes.margins(0.25, 0.15)
    axes.grid(color="#eeeeee")
    axes.legend(loc="best", edgecolor="none", fontsize=7)
