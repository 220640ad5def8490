"""What the results were made with."""

from collections import Counter

from freedarts.tables import Table

NOTE = """\
The results behind the tables above, by what made them: the code of the project (`commit`, with a + where files differed
from it; trainings note it), torch and Python, and the device. The digest of each is in `results/manifest.json`;
`freedarts verify` compares."""


def provenance_table(kinds: dict[str, list[dict]]) -> Table:
    """kinds: contents of the result files, by what they are results of."""
    made = Counter(
        (
            kind,
            result.get("device"),
            *(result.get("versions", {}).get(name) for name in ("torch", "python", "freedarts")),
            (commit := result.get("commit")) and commit[:10] + "+" * commit.endswith("+"),
        )
        for kind, results in kinds.items()
        for result in results
    )
    columns = ("results", "device", "torch", "Python", "freedarts", "commit")
    rows = [dict(zip(columns, key, strict=True)) | {"n": count} for key, count in made.items()]
    return Table("provenance", "What made these results", NOTE, rows, {"n": str})
