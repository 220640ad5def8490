"""The report: what there is of the results in the current folder, as one HTML file that loads nothing else.

Nothing here raises for a result that is missing, broken or cannot be read: its place says what is wrong and how to make
it.
"""

import csv
import os
import platform
import statistics
from collections import Counter
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from freedarts.files import VERSION, InputError, exists, message, read_bytes, read_json
from freedarts.report.svg import inline
from freedarts.study.code import commit
from freedarts.study.paths import (
    AGREEMENT_FIGURE,
    CURVES_FIGURE,
    GENOTYPES_FIGURE,
    REPLAYS_FIGURE,
    RULES_FIGURE,
    SCATTER_FIGURE,
    SCORES_FIGURE,
    SEARCH,
    metrics_path,
)

PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "snakemake", "matplotlib")
BENCHMARKS = Path("results/benchmarks")


def render(
    template: Path, tables: Path, selected: dict, environment: list[tuple[str, str]], folder: Path | None = None
) -> str:
    """selected: searches, sources, trainings and own as in the catalogue, and whether there is a scatter plot.
    environment: (name, value) rows. folder: the current one, as Snakemake calls it where it runs."""
    own = selected["own"]
    engine = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return engine.from_string(template.read_text(encoding="utf-8")).render(
        tables=_tables(tables),
        figures=_figures(selected),
        curves=_figure("Learning curves", own + CURVES_FIGURE, "curves"),
        replays=_figure("Replays of published trainings", own + REPLAYS_FIGURE, "replays"),
        rules=_figure("Rules of the workflow", own + RULES_FIGURE, "rules"),
        scatter=_figure("Scores and accuracies", own + SCATTER_FIGURE, "scatter") if selected["scatter"] else None,
        agreement=_figure("Agreement between seeds", own + AGREEMENT_FIGURE, "agreement"),
        searches=[_search_row(*case) for case in selected["searches"]],
        trainings=[_training_row(*case) for case in selected["trainings"]],
        environment=environment,
        folder=os.path.join(folder or "", ""),
    )


def environment(configuration: str) -> list[tuple[str, str]]:
    """(name, value) of what makes the report; configuration: its digest."""
    return [
        ("freedarts", VERSION),
        ("commit", commit() or "not a git checkout"),
        ("configuration", f"sha256 {configuration}"),
        ("python", platform.python_version()),
        ("system", platform.platform()),
        *((package, _installed(package)) for package in PACKAGES),
    ]


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _html(markdown: str) -> Markup:
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return Markup(html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>"))


def _tables(tables: Path) -> list[dict]:
    """The sections of tables.md."""
    parts, why = [], f"{tables}: holds no section; is the file cut short?"
    try:
        parts = [part.partition("\n") for part in read_bytes(tables).decode().split("\n## ")[1:]]
    except UnicodeDecodeError:
        why = f"{tables}: not UTF-8"
    except (InputError, OSError) as error:
        why = message(error)
    if not parts:
        return [{"title": "Tables", "id": "tables", "missing": _missing(why, str(tables))}]
    return [{"title": part[0], "id": f"table-{place}", "html": _html(part[2])} for place, part in enumerate(parts)]


def _figures(selected: dict) -> list[dict]:
    """Of each supernet, for each source, what it has: the figures of its scores and of its genotypes."""
    searched = {(supernet, score) for supernet, score, _ in selected["searches"]}
    sections: dict[str, list[dict]] = {}
    for supernet, source, _ in [*selected["searches"], *selected["sources"]]:
        paths = {"genotypes": GENOTYPES_FIGURE.format(supernet=supernet, source=source)}
        if (supernet, source) in searched:
            paths = {"scores": SCORES_FIGURE.format(supernet=supernet, score=source), **paths}
        found = [
            _figure(f"{source} on {supernet}: {kind}", path, f"{kind}-{supernet}-{source}")
            for kind, path in paths.items()
        ]
        sections.setdefault(supernet, []).append({"name": source, "figures": found})
    return [{"supernet": supernet, "sources": found} for supernet, found in sections.items()]


def _figure(title: str, path: str, name: str) -> dict:
    try:
        return {"title": title, "path": path, "svg": Markup(inline(Path(path), f"{name}-"))}
    except (InputError, OSError) as error:
        return {"title": title, "path": path, "missing": _missing(message(error), path)}


def _missing(why: str, target: str) -> dict:
    return {"why": why, "target": target}


def _search_row(supernet: str, score: str, seeds: list[int]) -> dict:
    paths = [SEARCH.format(supernet=supernet, score=score, seed=seed) for seed in seeds]
    verdicts, missing = Counter(), []
    for path in paths:
        if not _there(path):
            missing.append(path)
            continue
        verdicts[_value(lambda path=path: read_json(Path(path))["audit"]["verdict"])] += 1
    runs = [_benchmark(f"search/{supernet}/{score}/seed{seed}.tsv") for seed in seeds]
    return {
        "supernet": supernet,
        "score": score,
        "done": f"{len(seeds) - len(missing)} of {len(seeds)}",
        "verdicts": ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())) or "–",
        "next": missing[0] if missing else None,
        **_measured([run for run in runs if run]),
    }


def _training_row(task: str, supernet: str, source: str, seed: int, run: int) -> dict:
    path = metrics_path((task, supernet, source, seed, run))
    done = _there(path)
    measured = _benchmark(f"retrain/{task}/{supernet}/{source}/seed{seed}/run{run}.tsv")
    return {
        "task": task,
        "supernet": supernet,
        "source": source,
        "seed": seed,
        "run": run,
        "error": _value(lambda: f"{float(read_json(Path(path))['error_last']):.2f}") if done else "–",
        "next": None if done else path,
        **_measured([measured] if measured else []),
    }


def _there(path: str) -> bool:
    """Also where it cannot be looked up: reading it says so."""
    try:
        return exists(Path(path))
    except OSError:
        return True


def _value(read: Callable[[], object]) -> str:
    """What *read* returns, or that it could not be read."""
    try:
        return str(read())
    except (InputError, KeyError, OSError, TypeError, ValueError):
        return "unreadable"


def _benchmark(name: str) -> tuple[float, float] | None:
    """Seconds and MB, as Snakemake measured a job; None where it did not, or the file is broken."""
    try:
        with (BENCHMARKS / name).open(encoding="utf-8") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        return float(row["s"]), float(row["max_rss"])
    except (OSError, UnicodeDecodeError, StopIteration, KeyError, TypeError, ValueError, csv.Error):
        return None


def _measured(runs: list[tuple[float, float]]) -> dict:
    seconds, memory = ([run[place] for run in runs] for place in (0, 1))
    return {
        "seconds": f"{statistics.median(seconds):,.1f}" if seconds else "–",
        "memory": f"{max(memory):,.0f}" if memory else "–",
    }
