"""The report: what there is of the results in the current folder, as one HTML file that loads nothing else.

Nothing here raises for a result that is missing, broken or cannot be read: its place says what is wrong and how to make
it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import platform
import statistics
from collections import Counter
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from freedarts.files import VERSION, InputError, exists, message, read_json
from freedarts.report.svg import inline
from freedarts.study import kinds
from freedarts.study.code import commit
from freedarts.study.paths import (
    AGAIN_FIGURE,
    AGREEMENT_FIGURE,
    CURVES_FIGURE,
    GENOTYPES_FIGURE,
    PARAMETERS_FIGURE,
    REPLAYS_FIGURE,
    RULES_FIGURE,
    SCATTER_FIGURE,
    SCORES_FIGURE,
    SEARCH,
    metrics_path,
)

PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "snakemake", "matplotlib")
BENCHMARKS = Path("results/benchmarks")
MARKDOWN = MarkdownIt("commonmark", {"html": False})
FIGURES = {
    "again": ("Found again, drawn", AGAIN_FIGURE),
    "parameters": ("Parameters and test errors", PARAMETERS_FIGURE),
    "curves": ("Learning curves", CURVES_FIGURE),
    "replays": ("Replays, drawn", REPLAYS_FIGURE),
    "agreement": ("Agreement between seeds, drawn", AGREEMENT_FIGURE),
    "scatter": ("Scores and accuracies", SCATTER_FIGURE),
    "rules": ("Rules of the workflow", RULES_FIGURE),
}


def render(
    template: Path, tables: Path, selected: dict, environment: list[tuple[str, str]], folder: Path | None = None
) -> str:
    """template: with tables.js beside it. tables: tables.json, with manifest.json beside it. selected: searches,
    sources, trainings and own as in the catalogue, the configuration's name, and whether there is a scatter plot.
    environment: (name, value) rows. folder: the current one, as Snakemake calls it where it runs."""
    page, script = (path.read_text(encoding="utf-8") for path in (template, template.with_name("tables.js")))
    own, drawings = selected["own"], Drawings()
    digests, missing = _digests(tables.with_name("manifest.json"), own)
    engine = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    figures = {name: drawings.figure(title, own + path) for name, (title, path) in FIGURES.items()}
    if not selected["scatter"]:
        del figures["scatter"]
    return engine.from_string(page).render(
        **_tables(tables, own, digests),
        name=selected["name"],
        digests=list(digests.values()),
        no_digests=missing,
        drawn_figures=figures,
        drawn_sources=_sources(selected, drawings),
        searches=[_search_row(*case) for case in selected["searches"]],
        trainings=[_training_row(*case) for case in selected["trainings"]],
        environment=environment,
        folder=os.path.join(folder or "", ""),
        styles=drawings.styles,
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
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


def _digests(manifest: Path, own: str) -> tuple[dict[str, dict], dict | None]:
    """File -> its row of the manifest; and what is wrong with the manifest."""
    try:
        files = read_json(manifest, ("files",))["files"]
        rows = {
            file: {"id": f"file-{place}", "file": file, "address": _address(file, own), "digest": digest}
            for place, (file, digest) in enumerate(files.items())
        }
    except AttributeError:
        return {}, _missing(f"{manifest}: files: expected an object", str(manifest))
    except (InputError, OSError) as error:
        return {}, _missing(message(error), str(manifest))
    return rows, None


def _address(file: str, own: str) -> str:
    """Of a result, from the folder of the report."""
    return quote(os.path.relpath(file, own))


def _tables(tables: Path, own: str, digests: dict[str, dict]) -> dict:
    """key_figures and tables of tables.json."""
    try:
        content = read_json(tables, ("key_figures", "tables"))
        shown = [_table(table, own, digests) for table in content["tables"]]
        return {"key_figures": [(value, what) for value, what in content["key_figures"]], "tables": shown}
    except (InputError, OSError) as error:
        why = message(error)
    except (AttributeError, KeyError, TypeError, ValueError):
        why = f"{tables}: not as tables writes it"
    missing = {"title": "Tables", "id": "tables", "missing": _missing(why, str(tables))}
    return {"key_figures": [], "tables": [missing]}


def _table(table: dict, own: str, digests: dict[str, dict]) -> dict:
    """The rows of a table of numbers have places, which other tables link to, and the files behind them."""
    titles = [column["title"] for column in table["columns"]]
    rows = []
    for cells, files, links in zip_longest(table["rows"], table["files"], table["links"]):
        named = dict(zip(titles, cells, strict=True))
        behind = [_behind(file, own, digests) for file in files or []]
        shown = [(_text(cell), _place((links or {}).get(title))) for title, cell in named.items()]
        rows.append({"id": _place(named.get("number")), "cells": shown, "files": behind})
    return {
        "title": table["title"],
        "id": f"table-{table['name']}",
        "note": Markup(MARKDOWN.render(table["note"])),
        "columns": table["columns"],
        "rows": rows,
        "evidence": bool(table["files"]),
    }


def _behind(file: str, own: str, digests: dict[str, dict]) -> dict:
    """A file behind a number: its address, its row of the manifest, and its log, where that says something."""
    found = digests.get(file) or {"file": file, "address": _address(file, own)}
    kind = kinds.of(file)
    log = kind and kind.log(file)
    return found | {"log": log and exists(Path(log)) and Path(log).stat().st_size and _address(log, own)}


def _place(name: str | None) -> str | None:
    """In the page, of a number of the paper, or of a table."""
    return name and (f"number-{name.replace('/', '-')}" if "/" in name else f"table-{name}")


def _text(markdown: str) -> Markup:
    """One line of Markdown."""
    return Markup(MARKDOWN.renderInline(markdown))


def _sources(selected: dict, drawings: Drawings) -> list[dict]:
    """Of each supernet, for each source, what it has: the figures of its scores and of its genotypes."""
    searched = {(supernet, score) for supernet, score, _ in selected["searches"]}
    sections: dict[str, list[dict]] = {}
    for supernet, source, seeds in [*selected["searches"], *selected["sources"]]:
        paths = {"genotypes": GENOTYPES_FIGURE.format(supernet=supernet, source=source)}
        if (supernet, source) in searched:
            paths = {"scores": SCORES_FIGURE.format(supernet=supernet, score=source), **paths}
        found = [drawings.figure(f"{source} on {supernet}: {kind}", path) for kind, path in paths.items()]
        sections.setdefault(supernet, []).append({"name": source, "seeds": seeds, "figures": found})
    return [{"supernet": supernet, "sources": found} for supernet, found in sections.items()]


class Drawings:
    """Those of one page. styles: style -> class, of all of them."""

    def __init__(self) -> None:
        self.styles: dict[str, str] = {}
        self.count = 0

    def figure(self, title: str, path: str) -> dict:
        self.count += 1  # short ids: thousands of shapes refer to one
        try:
            drawing = inline(Path(path), f"f{self.count}-", title, self.styles)
            return {"title": title, "path": path, "svg": Markup(drawing)}
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
