"""The tables as LaTeX, for papers: booktabs, and ASCII alone, which every TeX reads."""

from collections.abc import Iterable

from freedarts.tables import MISSING, Table

HEADER = """% The tables of tables.md. In the preamble: \\usepackage{booktabs,longtable}
"""
SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"}
SPECIAL |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", '"': "''"}
SPECIAL |= {character: f"${character}$" for character in "<>|"} | {"[": "{[}"}  # \\\\ takes a [ after it
SPECIAL |= {"†": r"\dag{}", "‡": r"\ddag{}", "±": r"$\pm$", "·": r"$\cdot$", "√": r"$\surd$", "≥": r"$\geq$"}
SPECIAL |= {"ρ": r"$\rho$", "τ": r"$\tau$", "−": "$-$", MISSING: "--", "⁻⁵⁰": "$^{-50}$", "…": r"\ldots{}"}


def text(markdown: str) -> str:
    """One line of text in which `…` is code."""
    parts = markdown.split("`")
    return "".join(f"\\texttt{{{_escape(part)}}}" if place % 2 else _escape(part) for place, part in enumerate(parts))


def _escape(plain: str) -> str:
    plain = plain.replace("⁻⁵⁰", "\0")
    return "".join(SPECIAL["⁻⁵⁰"] if character == "\0" else SPECIAL.get(character, character) for character in plain)


def latex(tables: Iterable[Table]) -> str:
    return HEADER + "\n".join(_longtables(table) for table in tables if table.rows)


def _longtables(table: Table) -> str:
    """One for each part of the table, and the note."""
    parts = table.printed_parts()
    made = []
    for place, (columns, rows) in enumerate(parts, 1):
        align = "".join("r" if column in table.formats else "l" for column in columns)
        lines = [" & ".join(map(text, row)) + r" \\" for row in (columns, *rows)]
        title = text(table.title) + (f" ({place} of {len(parts)})" if len(parts) > 1 else "")
        label = f"tab:{table.name}" + (f"-{place}" if place > 1 else "")
        made += [
            f"\\begin{{longtable}}{{{align}}}",
            f"\\caption{{{title}}}\\label{{{label}}}\\\\",
            r"\toprule",
            lines[0],
            r"\midrule",
            r"\endhead",
            *lines[1:],
            r"\bottomrule",
            r"\end{longtable}",
        ]
    return "\n".join([*made, f"{{\\footnotesize {text(' '.join(table.note.split()))}\\par}}", ""])
