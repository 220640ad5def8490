"""The result tables, from dictionaries to Markdown and CSV, a module each. Knows no files and no torch."""

import io
import statistics
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from json import dumps

import pandas as pd

MISSING = "–"
INTRODUCTION = """# FreeDARTS, reproduced

Results of the searches, counts and trainings that the configuration selects, beside what the paper
(arXiv 2106.11542 v2) and its release print. FreeDARTS, FreeDARTS† and FreeDARTS‡ search on the supernets `darts-8`,
`darts-20` and `darts-imagenet`. This file is made by `snakemake results/tables.md`. A wide table stands here in parts,
the columns that matter most first; `report.html` has all columns in one, and `tables.csv` the values unrounded.
"""
NAMED = """# {name}

Results of what the configuration `{name}` selects. This file is made by Snakemake with that configuration's file. A
wide table stands here in parts, the columns that matter most first; `report.html` beside it has all columns in one,
and `tables.csv` the values unrounded.
"""


@dataclass(frozen=True)
class Table:
    """name: the key in the CSV. note: what the table shows. rows: raw values, None where there is none.
    formats: how a column's values are printed in the Markdown. parts: the columns of each table that it is there, those
    that matter most first; none: one table. files: the results behind each row. links: of each row, column -> the
    number of the paper that its cell shows, or the table that it names."""

    name: str
    title: str
    note: str
    rows: list[dict]
    formats: dict[str, Callable] = field(default_factory=dict)
    parts: tuple[tuple[str, ...], ...] = ()
    files: list[list[str]] = field(default_factory=list)
    links: list[dict[str, str]] = field(default_factory=list)

    def printed(self) -> tuple[list[str], list[list[str]]]:
        """Columns, and the cells of each row as they are shown."""
        columns = list(dict.fromkeys(column for row in self.rows for column in row))
        cells = ([(self.formats.get(column, str), row.get(column)) for column in columns] for row in self.rows)
        return columns, [[MISSING if value is None else form(value) for form, value in row] for row in cells]

    def printed_parts(self) -> list[tuple[list[str], list[list[str]]]]:
        """The same of each part."""
        columns, cells = self.printed()
        parts = [[columns.index(name) for name in part if name in columns] for part in self.parts or [columns]]
        return [([columns[p] for p in part], [[row[p] for p in part] for row in cells]) for part in parts]

    def markdown(self) -> str:
        texts = []
        for columns, cells in self.printed_parts() if self.rows else []:
            align = ["right" if column in self.formats else "left" for column in columns]
            frame = pd.DataFrame(cells, columns=columns)
            texts.append(frame.to_markdown(index=False, disable_numparse=True, colalign=align))
        return "\n\n".join([f"## {self.title}", *(texts or ["Nothing selected."]), f"{self.note}\n"])

    def to_json(self) -> dict:
        """All columns as they are printed, for the report."""
        columns, cells = self.printed()
        key = self.parts[0] if self.parts else columns
        return {
            "name": self.name,
            "title": self.title,
            "note": self.note,
            "columns": [{"title": c, "number": c in self.formats, "key": c in key} for c in columns],
            "rows": cells,
            "files": self.files,
            "links": self.links,
        }


def markdown(tables: Iterable[Table], name: str | None = None) -> str:
    """name: of the configuration."""
    introduction = INTRODUCTION if name is None else NAMED.format(name=name)
    return "\n".join([introduction, *(table.markdown() for table in tables)])


def json(tables: Iterable[Table], key_figures: list[tuple[str, str]]) -> str:
    """What the report shows: the tables with all columns, and key figures: k of n, of what."""
    content = {"key_figures": key_figures, "tables": [table.to_json() for table in tables]}
    return f"{dumps(content, ensure_ascii=False, indent=1)}\n"


def csv(tables: Iterable[Table]) -> str:
    """One value a line: table, row (counted from 1 as in the Markdown), column, value, unrounded."""
    lines = [
        {"table": table.name, "row": number, "column": column, "value": value}
        for table in tables
        for number, row in enumerate(table.rows, 1)
        for column, value in row.items()
    ]
    return pd.DataFrame(lines, columns=["table", "row", "column", "value"]).to_csv(index=False)


def read_csv(text: str, name: str) -> list[dict]:
    """The rows of the table *name*, as `csv` writes them: numbers and text, None for an empty value; of what was
    measured several times (Sample) the text."""
    frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    groups = frame[frame["table"] == name].groupby("row", sort=False)
    return [dict(zip(row["column"], map(_value, row["value"]), strict=True)) for _, row in groups]


def _value(text: str) -> int | float | str | None:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text or None


@dataclass(frozen=True)
class Column:
    """Of a table that has a row for each object of one type: title, its value of an object, and how that is printed in
    the Markdown; text has no form."""

    title: str
    value: Callable
    form: Callable | None = None


def rows(columns: Iterable[Column], objects: Iterable) -> list[dict]:
    return [{column.title: column.value(found) for column in columns} for found in objects]


def formats(columns: Iterable[Column]) -> dict[str, Callable]:
    return {column.title: column.form for column in columns if column.form}


@dataclass(frozen=True)
class Sample:
    """Repeated measurements of one quantity."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    def text(self, digits: int) -> str:
        """The mean, and ± the standard deviation where there are at least two values."""
        spread = f" ± {statistics.stdev(self.values):.{digits}f}" if len(self.values) > 1 else ""
        return f"{self.mean:.{digits}f}{spread}"

    def __str__(self) -> str:
        return " ".join(map(str, self.values))


def decimals(digits: int) -> Callable[[float], str]:
    return lambda value: f"{value:,.{digits}f}"


def sample_text(digits: int) -> Callable[[Sample], str]:
    return lambda sample: sample.text(digits)
