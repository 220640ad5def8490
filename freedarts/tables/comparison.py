"""The table of differences between sources whose networks were trained alike."""

from freedarts.tables import Column, Table, decimals, formats, rows

NOTE = """\
Differences of the mean test error after the last epoch, in points, between sources of genotypes that were trained on
one task and supernet, and their 95 % intervals by Student's t. `n` counts the genotypes of either, each with the mean
of its trainings; `spread` is the standard deviation between the genotypes of one source, pooled over all sources. A
difference is `seen` where its interval does not hold 0; `smallest to see` is the one that is seen eight times in ten.
`parameters` is the ratio of the mean numbers of parameters. No correction is made for several comparisons."""

COLUMNS = (
    Column("source", lambda pair: pair["sources"][0]),
    Column("against", lambda pair: pair["sources"][1]),
    Column("n", lambda pair: ", ".join(map(str, dict.fromkeys(pair["n"])))),
    Column("difference", lambda pair: pair["difference"], "{:+.2f}".format),
    Column("interval", lambda pair: "{:+.2f} to {:+.2f}".format(*pair["interval"])),
    Column("seen", lambda pair: "yes" if pair["interval"][0] > 0 or pair["interval"][1] < 0 else "no"),
    Column("smallest to see", lambda pair: pair["smallest"], decimals(2)),
    Column("task", lambda pair: pair["task"]),
    Column("supernet", lambda pair: pair["supernet"]),
    Column("spread", lambda pair: pair["spread"], decimals(2)),
    Column("parameters", lambda pair: pair["parameters"], decimals(2)),
)
PARTS = (
    ("source", "against", "n", "difference", "interval", "seen", "smallest to see"),
    ("source", "against", "task", "supernet", "spread", "parameters"),
)


def comparison_tables(differences: list[dict]) -> list[Table]:
    """differences: as freedarts.study.comparison gives them; no table where there are none."""
    if not differences:
        return []
    made = rows(COLUMNS, differences)
    return [Table("comparison", "Differences between sources", NOTE, made, formats(COLUMNS), PARTS)]
