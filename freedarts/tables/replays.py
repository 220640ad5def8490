"""The tables of how far the logs of the release's trainings have been followed."""

from collections.abc import Iterable

from freedarts.tables import Column, Table, decimals, formats, rows

NOTE = """\
The two trainings of the paper whose images are at hand, from the seed of their log: its network, its order of the
images, its crops, flips and cutouts. `first loss` is that of the first step, before any weight has changed, auxiliary
head included; top-1 and top-5 of it are `equal` when they are the log's to its last digit, and the first step is when
the loss is as well, to 1e-3. A log is followed up to the
last step at which its running loss is within what one more copy would be off by, t(0.975, n − 1) · s · √(1 + 1/n) of n
copies whose weights were changed by one unit in the last place; a control of another seed must be off by more there,
else the verdict is `cannot tell`. docs/reproduction.md, Replays, says what was not replayed, and why."""
STEPS_NOTE = """\
Running means over the first epoch, as the log prints them: the loss with the auxiliary head's part, and of the copies
mean ± standard deviation. `control` is the same network from another seed, in another order."""

NO = {True: "equal", False: "differs"}


def _accuracies(found: dict) -> str:
    first = found["first"]["float64"]
    same = all(abs(first[name] - first["logged"][name]) < 1e-5 for name in ("top1", "top5"))
    return NO[same]


COLUMNS = (
    Column("log", lambda found: found["log"]),
    Column("first loss, logged", lambda found: found["first"]["float64"]["logged"]["loss"], decimals(6)),
    Column("float64", lambda found: found["first"]["float64"]["loss"], decimals(6)),
    Column("float32", lambda found: found["first"]["float32"]["loss"], decimals(6)),
    Column("top-1, top-5", _accuracies),
    Column("first step", lambda found: NO[found["first_equal"]]),
    Column("steps", lambda found: found["steps"] or 1, str),
    Column("n", lambda found: found["runs"], str),
    Column("verdict", lambda found: found["verdict"]),
    Column("computed on", lambda found: ", ".join(found["devices"])),
)


def _pair(row: dict, name: str, digits: int) -> str:
    return f"{row['mean'][name]:.{digits}f} ± {row['std'][name]:.{digits}f}"


STEP_COLUMNS = (
    Column("log", lambda row: row["log"]),
    Column("step", lambda row: row["step"], str),
    Column("loss, logged", lambda row: row["logged"]["loss"], decimals(4)),
    Column("copies", lambda row: _pair(row, "loss", 4)),
    Column("off", lambda row: row["off"], decimals(4)),
    Column("allowed", lambda row: row["bound"], decimals(4)),
    Column("control", lambda row: row["control"]["loss"], decimals(4)),
    Column("top-1, logged", lambda row: row["logged"]["top1"], decimals(2)),
    Column("top-1, copies", lambda row: _pair(row, "top1", 2)),
    Column("top-5, logged", lambda row: row["logged"]["top5"], decimals(2)),
    Column("top-5, copies", lambda row: _pair(row, "top5", 2)),
)

PARTS = (
    ("log", "verdict", "first loss, logged", "float64", "float32", "top-1, top-5"),
    ("log", "steps", "n", "computed on"),
)
STEP_PARTS = (
    ("log", "step", "loss, logged", "copies", "off", "allowed", "control"),
    ("log", "step", "top-1, logged", "top-1, copies", "top-5, logged", "top-5, copies"),
)


def replay_tables(found: Iterable[dict]) -> list[Table]:
    """found: contents of results/replays/{log}.json."""
    found = list(found)
    steps = [{"log": each["log"], **row} for each in found for row in each["rows"]]
    return [
        Table("replays", "Replays of the published trainings", NOTE, rows(COLUMNS, found), formats(COLUMNS), PARTS),
        Table(
            "replayed_steps",
            "Replays, step by step",
            STEPS_NOTE,
            rows(STEP_COLUMNS, steps),
            formats(STEP_COLUMNS),
            STEP_PARTS,
        ),
    ]
