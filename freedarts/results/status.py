"""What there is of the paper's numbers, of the trainings and of the searches, what runs and what is missing.

A result that is broken, or cannot be read, spoils its own line. Imports no torch.
"""

import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from freedarts.files import InputError, escaped, exists, message, read_json
from freedarts.results import read
from freedarts.results.plan import amount
from freedarts.study import kinds, paper, paths, run_folder

FINISHED, RUNNING, STOPPED, MISSING = "finished", "running", "stopped", "missing"
BROKEN, UNREADABLE = "broken", "unreadable"  # to be made again; there, and perhaps whole
STATES = (FINISHED, RUNNING, STOPPED, BROKEN, UNREADABLE, MISSING)


@dataclass(frozen=True)
class Training:
    """Where a training stands. text: one line on what is not plain; hours: what it still needs, None if unknown."""

    case: paths.Training
    state: str
    text: str = ""
    metrics: dict | None = None
    hours: float | None = 0.0

    @property
    def path(self) -> str:
        return paths.metrics_path(self.case)


def training(case: paths.Training, epochs: int | None, seconds: float | None, now: float) -> Training:
    """epochs, seconds: of the task, and of one epoch of it, where they are known. now: as time.time()."""
    path = Path(paths.metrics_path(case))
    whole = epochs * seconds / 3600 if epochs and seconds else None
    try:
        if exists(path):
            metrics = read_json(path, kinds.TRAINING.keys)
            for key in (key for key in kinds.TRAINING.keys if "error" in key):
                if type(metrics[key]) is not float or not 0 <= metrics[key] <= 100:
                    raise InputError(f"{path}: {key} is {metrics[key]!r}, expected percent")
            return Training(case, FINISHED, f"error {metrics['error_last']:.2f} %", metrics)
        begun = path.with_name(run_folder.PROGRESS)
        if not exists(begun):
            return Training(case, MISSING, hours=whole)
        found = run_folder.read_progress(begun)
        age = now - begun.stat().st_mtime
        # An epoch may take longer than the last one; after twice its time nobody works on it.
        state = RUNNING if age < 60 + 2 * (found["seconds"] or seconds or 3600) else STOPPED
        error = "" if found["error"] is None else f", error {found['error']:.2f} %"
        text = f"epoch {found['epoch']} of {found['epochs']}{error}, {_age(age)} ago"
        each = found["seconds"] or seconds
        left = each and each * (found["epochs"] - found["epoch"]) / 3600
        return Training(case, state, text, hours=left)
    except OSError as error:
        return Training(case, UNREADABLE, message(error), hours=None)
    except InputError as error:
        return Training(case, BROKEN, str(error), hours=whole)
    except (TypeError, ValueError) as error:
        return Training(case, BROKEN, f"{path.parent}: not as retrain writes it ({error})", hours=whole)


def _age(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"


def markdown(
    selected: dict, numbers: list[dict], seconds: dict[str, tuple[float, str]], command: str, now: float
) -> str:
    """selected: as Catalogue.status_settings. numbers: resources/numbers.yaml. seconds: of an epoch of a task, and how
    that was found. command: Snakemake's, for this configuration, up to the path of what it makes."""
    tasks = selected["tasks"]

    def look(cases: list) -> list[Training]:
        return [
            training(tuple(case), tasks.get(case[0], {}).get("epochs"), seconds.get(case[0], (None, ""))[0], now)
            for case in cases
        ]

    chosen = look(selected["trainings"])
    when = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = ["# Status", "", f"{when}. Trainings that the configuration selects: {_summary(chosen, tasks)}.", ""]
    lines += ["## Results", "", "Files that the configuration selects:", "", *_results(selected["results"]), ""]
    lines += ["## The numbers that the paper prints", ""]
    for number in numbers:
        cases = paper.cases(number, selected["readings"])
        if paper.is_lookup(number):
            lines += _lookup(number, cases["published"], command)
        else:
            lines += _number(number, {name: look(group) for name, group in cases.items()}, tasks, command)
    lines += ["## Trainings", "", *_trainings(chosen, tasks, command), ""]
    lines += ["## Searches", "", *_searches(selected["searches"], command), ""]
    lines += ["## Hours", "", "A training is estimated by the epochs of its task, an epoch by:", ""]
    lines += [f"- {task}: {amount(value)} s, {source}" for task, (value, source) in seconds.items()]
    return "\n".join([*lines, ""])


def _results(selection: dict[str, list]) -> Iterator[str]:
    """How many files of each kind there are."""
    for kind in kinds.KINDS:
        if there := [_there(file) for file in set(kind.files(selection[kind.name]))]:
            unknown = f", {there.count(None)} {UNREADABLE}" if None in there else ""
            yield f"- {kind.title}: {there.count(True)} of {len(there)}{unknown}"


def _there(file: str) -> bool | None:
    """None where it cannot be said."""
    try:
        return exists(Path(file))
    except OSError:
        return None


def _fault(error: Exception) -> str:
    return f"{UNREADABLE}: {message(error)}" if isinstance(error, OSError) else f"{BROKEN}: {error}"


def _reading(number: dict, name: str, results: dict, cases: list) -> tuple[dict, str]:
    """What the results that there are give, and a note where the file of the reading says something else: it stays
    while trainings are gone or made again."""
    case, current = (number["id"], name), paper.reading(number, results, cases)
    stale = exists(Path(kinds.READING.file(case))) and read.result(kinds.READING, case) != current
    return current, f"; {kinds.READING.file(case)} is out of date" if stale else ""


def _mean(reading: dict) -> str:
    spread = "" if reading["std"] is None else f" ± {reading['std']:.2f}"
    return f"{reading['mean']:.2f}{spread} %"


def _number(number: dict, readings: dict[str, list[Training]], tasks: dict[str, dict], command: str) -> list[str]:
    metrics = {found.case: found.metrics for cases in readings.values() for found in cases if found.metrics}
    lines = [f"### {number['id']}", "", f"Paper: {number['value']} %, {number['dataset']} {number['measure']}.", ""]
    for name, cases in readings.items():
        try:
            reading, stale = _reading(number, name, metrics, [found.case for found in cases])
            here = _mean(reading) if reading["n"] else "no result"
        except (InputError, OSError, TypeError, ValueError) as error:
            here = _fault(error)
        else:
            here += (f", **{reading['verdict']}**" if name == "published" else "") + stale
        lines.append(f"- {name}: {here}; {_summary(cases, tasks)}")
        lines += [f"  - {_line(found)}" for found in cases if found.text and found.state != FINISHED]
    left = [name for name, cases in readings.items() if any(found.state != FINISHED for found in cases)]
    if left:  # what is judged first: it costs least
        file = (
            kinds.NUMBER.file((number["id"],)) if paper.JUDGED in left else kinds.READING.file((number["id"], left[0]))
        )
        lines += ["", f"`{command}{file}`"]
    return [*lines, ""]


def _lookup(number: dict, cases: list[paper.Case], command: str) -> list[str]:
    lookup = kinds.LOOKUP.path.format(**number["reproduced_by"])
    lines = [f"### {number['id']}", "", f"Release: {number['value']} %, {number['dataset']} {number['measure']}.", ""]
    next_ = ["", f"`{command}{kinds.NUMBER.file((number['id'],))}`", ""]
    try:
        if not exists(Path(lookup)):
            not_run = f"- published: no result, **{paper.NOT_RUN}**; not looked up"
            return [*lines, not_run, *next_]
        results = paper.looked_up(read.results(kinds.LOOKUP, {case[:2] for case in cases}))
        accuracies = paper.values(number, results, cases)
        if odd := [value for value in accuracies if type(value) is not float or not 0 <= value <= 100]:
            raise InputError(f"{lookup}: an accuracy is {odd[0]!r}, expected percent")
        reading, stale = _reading(number, "published", results, cases)
        here = f"{_mean(reading)} ({reading['version']})" if reading["n"] else "not in this benchmark"
    except (InputError, OSError) as error:
        return [*lines, f"- published: {_fault(error)}", *next_]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [*lines, f"- published: {BROKEN}: not as lookup_nasbench201 writes it ({error!r})", *next_]
    return [*lines, f"- published: {here}, **{reading['verdict']}**{stale}", ""]


def _line(found: Training) -> str:
    task, supernet, source, seed, run = found.case
    return f"{found.state}: {task}, {source} on {supernet}, seed {seed}, run {run}: {found.text}"


def _summary(cases: list[Training], tasks: dict[str, dict]) -> str:
    """2 finished, 1 running, 10 missing; 305 GPU-hours."""
    if not cases:
        return "none"
    counts = Counter(found.state for found in cases)
    text = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    for device in ("GPU", "CPU"):
        left = [
            found
            for found in cases
            if found.state != FINISHED and ("GPU" if tasks.get(found.case[0], {}).get("gpus") else "CPU") == device
        ]
        hours = [found.hours for found in left if found.hours is not None]
        if hours:
            text += f"; {amount(sum(hours))} {device}-hours to go"
        if len(hours) < len(left):
            text += f"; {len(left) - len(hours)} of unknown length"
    return text


def _trainings(cases: list[Training], tasks: dict[str, dict], command: str) -> list[str]:
    groups: dict[tuple, list[Training]] = {}
    for found in cases:
        groups.setdefault(found.case[:3], []).append(found)
    lines = []
    for (task, supernet, source), members in groups.items():
        lines.append(f"- {task}, {source} on {supernet}: {_summary(members, tasks)}")
        lines += [f"  - {_line(found)}" for found in members if found.text]
        if left := [found.path for found in members if found.state not in (FINISHED, BROKEN, UNREADABLE)]:
            lines.append(f"  - `{command}{left[0]}`" + (f" and {len(left) - 1} more" if left[1:] else ""))
    return lines or ["None selected."]


def _searches(selected: list, command: str) -> list[str]:
    lines = []
    for supernet, score, seeds in selected:
        files = [Path(kinds.SEARCH.file((supernet, score, seed))) for seed in seeds]
        faults, missing = [], []
        for path in files:
            try:
                if exists(path):
                    read_json(path, kinds.SEARCH.keys)
                else:
                    missing.append(path)
            except (InputError, OSError) as error:
                faults.append(_fault(error))
        done = len(files) - len(missing) - len(faults)
        lines.append(f"- {score} on {supernet}: {done} of {len(files)} finished")
        lines += [f"  - {fault}" for fault in faults]
        if missing:
            lines.append(f"  - `{command}{missing[0]}`" + (f" and {len(missing) - 1} more" if missing[1:] else ""))
    return lines or ["None selected."]


def command(configfiles: list[str], overrides: list[str]) -> str:
    """Snakemake with the overlays and values of this call: --configfile and --config would take a target after them."""
    parts = ["snakemake"]
    parts += ["--configfile", *configfiles] if configfiles else []
    parts += ["--config", *overrides] if overrides else []
    return escaped(shlex.join([*parts, "--"] if len(parts) > 1 else parts))
