"""What the tiers and the numbers of the paper cost, before anything is run, on one screen. Imports no torch."""

import heapq
import math
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from tabulate import tabulate

from freedarts.files import exists
from freedarts.results import status
from freedarts.results.plan import amount, hours_of
from freedarts.study import paper
from freedarts.study.comparison import LEVEL, POWER, pooled_spread, smallest_difference
from freedarts.study.paths import Training

WIDTH = 147  # columns of the text, those of the wider table
RULE = "most verdicts on numbers of the paper; of as many, those with the fewest GPU-hours"
HOURS = (
    "Hours: `estimate`, by the release's logs; `preflight here`, `measured here`: by this machine. Without a GPU they"
    " are those of one core: two take half as long. This project has run nothing on a GPU yet: begin with a preflight"
    " (docs/training.md)."
)


@dataclass(frozen=True)
class Costs:
    """The trainings that are left, and what they take; hours are None where an epoch's are not known."""

    trainings: int
    gpu_hours: float | None
    walls: tuple[float | None, ...]  # hours with so many GPUs, of *gpus*
    sources: tuple[str, ...]  # where the hours come from


class Prices:
    """tasks: as Catalogue.plan_settings. seconds: of an epoch of a task, and how that was found. gpus: for which wall
    times are wanted. now: as time.time()."""

    def __init__(
        self, tasks: dict[str, dict], seconds: dict[str, tuple[float, str]], gpus: tuple[int, ...], now: float
    ):
        self.tasks, self.seconds, self.gpus, self.now = tasks, seconds, gpus, now

    def left(self, cases: Iterable[Training]) -> list[status.Training]:
        """The trainings that are not finished, each once."""
        looked = (
            status.training(case, self.tasks[case[0]]["epochs"], self.seconds.get(case[0], (None, ""))[0], self.now)
            for case in dict.fromkeys(map(tuple, cases))
        )
        return [training for training in looked if training.state != status.FINISHED]

    def costs(self, cases: Iterable[Training], replays: Iterable[tuple[str, str, float]] = ()) -> Costs:
        """Of trainings on GPUs, and of replays, as Catalogue.replays_on_gpu; those of laptops are counted with the
        tiers' own hours."""
        left = self.left(cases)
        on_gpu = [(self.tasks[each.case[0]]["gpus"], each.hours) for each in left if self.tasks[each.case[0]]["gpus"]]
        on_gpu += [
            (1, hours_of(task, epochs, self.seconds)) for path, task, epochs in replays if not exists(Path(path))
        ]
        known = all(hours is not None for _, hours in on_gpu)
        sources = {self.seconds[each.case[0]][1] for each in left if each.case[0] in self.seconds}
        return Costs(
            len(left),
            sum(hours for _, hours in on_gpu) if known else None,
            tuple(wall(on_gpu, number) if known else None for number in self.gpus),
            tuple(sorted({source.partition(":")[0].partition(",")[0] for source in sources})),
        )


def wall(trainings: list[tuple[int, float]], gpus: int) -> float | None:
    """Hours until all are done, each (GPUs, hours of them together), where the longest begins first; None if one needs
    more than there are."""
    free = [0.0] * gpus
    for needed, hours in sorted(trainings, key=lambda each: -each[1] / each[0]):
        if needed > gpus:
            return None
        taken = [heapq.heappop(free) for _ in range(needed)]
        for _ in taken:
            heapq.heappush(free, taken[-1] + hours / needed)
    return max(free)


def comparison(trainings: list[Training], stated: dict[str, dict], prices: Prices) -> str:
    """What the comparison of sources within one task could see, a sentence; empty where there is none. stated: the
    spread of a task, in points, where it was not measured."""
    groups: dict[str, dict[tuple, list[Training]]] = {}
    for case in map(tuple, trainings):
        groups.setdefault(case[0], {}).setdefault(case[1:3], []).append(case)
    for task, sources in groups.items():
        n = min(map(len, sources.values()))
        if n > 1 and len(sources) > 1 and (spread := _spread(sources.values(), task, stated, prices)):
            points, source = spread
            smallest = smallest_difference((n, n), points, 2 * n - 2)
            return (
                f"differences of {smallest:.2g} points and more between {len(sources)} sources"
                f" (n = {n} each, {100 * LEVEL:.0f} %, power {100 * POWER:.0f} %, spread {points:.2g}, {source})"
            )
    return ""


def _spread(
    groups: Iterable[list[Training]], task: str, stated: dict[str, dict], prices: Prices
) -> tuple[float, str] | None:
    """Pooled standard deviation of the trainings that are finished, within their sources, and how it was found."""
    errors = []
    for cases in groups:
        done = [status.training(case, prices.tasks[task]["epochs"], None, prices.now).metrics for case in cases]
        errors.append([metrics["error_last"] for metrics in done if metrics])
    if any(len(group) > 1 for group in errors):
        spread, freedom = pooled_spread([group for group in errors if group])
        return spread, f"measured here with {freedom} degrees of freedom"
    return (stated[task]["points"], stated[task]["source"]) if task in stated else None


def tiers(entries: list[dict], settings: list[dict], stated: dict, prices: Prices) -> list[str]:
    """A table and a line a tier. entries: of resources/tiers.yaml, *stated* all of it; settings: of their
    configurations, Catalogue.plan_settings."""
    rows, lines = [], []
    for entry, selected in zip(entries, settings, strict=True):
        costs = prices.costs(selected["trainings"], selected["replays"])
        data = _gigabytes(selected["data"], stated)
        on_gpu = sum(prices.tasks[task]["gpus"] > 0 for task, *_ in selected["trainings"])  # the others are small
        disk = data[1] + _disk(on_gpu, max(prices.gpus), stated["training"])
        beside = entry["cpu_hours"]
        rows.append(
            {
                "tier": entry["tier"],
                "trainings": costs.trainings,
                "GPU-hours": _hours(costs.gpu_hours),
                "CPU-hours": amount(beside),
                **_walls(costs, prices.gpus, beside if not costs.gpu_hours else 0),
                "download": _size(data[0]),
                "disk": _size(disk),
            }
        )
        certainty = comparison(selected["trainings"], stated["spread"], prices)
        certain = "; ".join(filter(None, [entry["certainty"], certainty]))
        line = f"- {entry['tier']}, `{entry['command']}`: {entry['answers']}. Certainty: {certain}."
        lines.append(_filled(line, indent="  "))
    return [_table(rows), "", *lines]


def numbers(entries: list[dict], readings: dict[str, dict], stated: dict, prices: Prices) -> list[str]:
    """A table, cheapest first; numbers with the same trainings share a row. entries: of resources/numbers.yaml."""
    groups = _groups(entries, readings, prices)
    rows = []
    for ids, published, everything in groups:
        costs, whole = prices.costs(published), prices.costs(everything)
        data = _gigabytes({prices.tasks[case[0]]["dataset"] for case in published}, stated)
        rows.append(
            {
                "number": _names(ids),
                "trainings": costs.trainings,
                "GPU-hours": _hours(costs.gpu_hours),
                **_walls(costs, prices.gpus),
                "download": _size(data[0]),
                "disk": _size(data[1] + _disk(len(published), max(prices.gpus), stated["training"])),
                "all readings": f"{whole.trainings}, {_hours(whole.gpu_hours)} h" if everything else "–",
                "hours from": ", ".join(costs.sources) or "–",
            }
        )
    return [_table(rows)]


def _groups(
    entries: list[dict], readings: dict[str, dict], prices: Prices
) -> list[tuple[list[str], list[Training], list[Training]]]:
    """(ids, trainings of the reading that is judged, of all readings), cheapest first; look-ups have none."""
    ids: dict[tuple, list[str]] = {}
    for number in entries:
        cases = {} if paper.is_lookup(number) else paper.cases(number, readings)
        if all(case[0] in prices.tasks for group in cases.values() for case in group):
            published = tuple(cases.get(paper.JUDGED, ()))
            everything = tuple(case for group in cases.values() for case in group)
            ids.setdefault((published, everything), []).append(number["id"])
    groups = [(names, list(published), list(everything)) for (published, everything), names in ids.items()]
    return sorted(groups, key=lambda group: _order(prices.costs(group[1]).gpu_hours))


def within(budget: float, entries: list[dict], readings: dict[str, dict], prices: Prices) -> list[str]:
    """What answers most within so many GPU-hours, by RULE: all subsets of the numbers are tried."""
    groups = _groups(entries, readings, prices)
    free = [ids for ids, published, _ in groups if not published]
    paid = [(ids, published) for ids, published, _ in groups if published]
    left = {each.case: _order(each.hours) for _, published in paid for each in prices.left(published)}
    best: tuple[int, float, tuple] = (0, 0.0, ())
    for size in range(1, len(paid) + 1):
        for subset in combinations(paid, size):
            hours = sum(left.get(case, 0.0) for case in {case for _, published in subset for case in published})
            verdicts = sum(len(ids) for ids, _ in subset)
            if hours <= budget and (verdicts, -hours) > (best[0], -best[1]):
                best = (verdicts, hours, subset)
    chosen = [*free, *(ids for ids, _ in best[2])]
    names = ",".join(f"{name}/{paper.JUDGED}" for ids, _ in best[2] for name in ids)  # the tables look the others up
    lines = [f"{sum(map(len, chosen))} verdicts in {amount(best[1])} GPU-hours; the rule: {RULE}.", ""]
    lines += [f"- {_names(ids)}" for ids in chosen]
    return [*lines, "", f"`snakemake --config 'numbers=[{names}]'`"]


def _names(ids: list[str]) -> str:
    if len(ids) > 2:
        return f"{ids[0].partition('/')[0]}/… ({len(ids)} look-ups)"
    return ", ".join([ids[0], *(f"…-{name.rpartition('-')[2]}" for name in ids[1:])])


def _gigabytes(names: Iterable[str], stated: dict) -> tuple[float, float]:
    """(to download or to bring, on the disk with it), of data sets; what is in data/ need not be downloaded."""
    sizes = [(stated["data"][name], exists(Path("data", name))) for name in names if name in stated["data"]]
    return sum(size["download"] for size, there in sizes if not there), sum(size["disk"] for size, _ in sizes)


def _disk(trainings: int, gpus: int, stated: dict) -> float:
    return trainings * stated["finished"] + min(trainings, gpus) * stated["running"]


def _order(hours: float | None) -> float:
    return math.inf if hours is None else hours


def _hours(value: float | None) -> str:
    return "unknown" if value is None else amount(value)


def _size(gigabytes: float) -> str:
    return f"{amount(gigabytes)} GB" if gigabytes >= 1 else f"{1000 * gigabytes:.0f} MB" if gigabytes else "–"


def _walls(costs: Costs, gpus: tuple[int, ...], beside: float = 0) -> dict[str, str]:
    named = {f"{number} GPU{'s' * (number > 1)}": hours for number, hours in zip(gpus, costs.walls, strict=True)}
    return {name: "–" if hours is None else _time(hours + beside) for name, hours in named.items()}


def _time(hours: float) -> str:
    for size, unit in ((24, "d"), (1, "h")):
        if hours >= 2 * size:
            return f"{hours / size:,.0f} {unit}" if hours >= 10 * size else f"{hours / size:.1f} {unit}"
    return f"{60 * hours:.0f} min"


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _table(rows: list[dict]) -> str:
    return tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True)


def page(
    entries: list[dict],
    settings: list[dict],
    stated: dict,
    readings: dict[str, dict],
    prices: Prices,
    budget: float | None = None,
) -> Iterator[str]:
    """The lines of the overview. entries: resources/numbers.yaml; settings: of the configurations of the tiers."""
    if budget:
        yield from (f"## Within {amount(budget)} GPU-hours", "", *within(budget, entries, readings, prices), "")
    yield from ("## Tiers, each a configuration", "", *tiers(stated["tiers"], settings, stated, prices), "")
    yield from ("## Numbers of the paper, of the published genotypes", "")
    yield from (*numbers(entries, readings, stated, prices), "")
    yield from (_filled(HOURS), "")
