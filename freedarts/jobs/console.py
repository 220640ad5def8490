"""What Snakemake says while it runs: a line a job begun and ended. Its log in .snakemake/log/ has all that it says
otherwise."""

import io
import logging
import time
from collections import Counter, defaultdict

# Of Snakemake's own log events, by name; all others, errors among them, are said as it says them.
SAID = ("run_info", "job_info", "job_finished", "progress")
SILENT = ("resources_info", "shellcmd", "workflow_started", "job_started", "group_info")
IDLE = ("Select jobs to execute", "Building DAG of jobs", "Using shell:", "Conda environments", "Group jobs:")
IDLE += ("Using workflow specific profile", "Using profile", "Config file", "Assuming unrestricted")


def escape(logger: logging.Logger) -> None:
    """Let the handlers of *logger* write names that are not UTF-8, escaped; each is a traceback otherwise."""
    for handler in logger.handlers:
        if isinstance(stream := getattr(handler, "stream", None), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def quiet(logger: logging.Logger) -> None:
    """Let the stream handler of *logger* say less. Where Snakemake has none of this name, it says what it said."""
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            logger.removeHandler(handler)
            logger.addHandler(Console(handler))
            return


class Console(logging.Handler):
    """whole: the handler for what is not a line of this one's."""

    def __init__(self, whole: logging.StreamHandler):
        super().__init__()
        self.whole = whole
        self.planned: Counter[str] = Counter()  # jobs, by rule
        self.running: dict[int, tuple[str, str, float]] = {}  # by number: rule, name, when it began
        self.seconds: dict[str, list[float]] = defaultdict(list)  # of the jobs that ended, by rule
        self.ended: list[str] = []  # jobs that wait for the count to be said with them
        self.start = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        event = str(getattr(record, "event", "") or "")
        if event in SAID:
            getattr(self, f"_{event}")(record)
        elif event not in SILENT and not (record.levelno == logging.INFO and str(record.msg).startswith(IDLE)):
            self.whole.handle(record)

    def _run_info(self, record: logging.LogRecord) -> None:
        self.planned = Counter({rule: count for rule, count in record.stats.items() if rule != "total"})
        counts = ", ".join(f"{count} {rule}" for rule, count in self.planned.items())
        self._write(f"{self.planned.total()} jobs: {counts}")

    def _job_info(self, record: logging.LogRecord) -> None:
        name = " ".join([record.rule_name, *map(str, (record.wildcards or {}).values())])
        self.running[record.jobid] = record.rule_name, name, time.monotonic()
        self._write(f"begun  {name}")

    def _job_finished(self, record: logging.LogRecord) -> None:
        rule, name, begun = self.running.pop(record.job_id, ("", f"job {record.job_id}", self.start))
        took = time.monotonic() - begun
        self.seconds[rule].append(took)
        self.ended.append(f"ended  {name}, {span(took)}")

    def _progress(self, record: logging.LogRecord) -> None:
        *before, last = self.ended or ["ended"]
        for line in before:
            self._write(line)
        self._write(f"{last}; {record.done} of {record.total} done{self._left()}")
        self.ended = []

    def _left(self) -> str:
        """By the mean of the rule's jobs that have ended, of all where there is none yet, as many beside each other as
        so far."""
        everything = [each for times in self.seconds.values() for each in times]
        mean = sum(everything) / max(len(everything), 1)
        means = {rule: sum(times) / len(times) for rule, times in self.seconds.items()}
        left = {rule: count - len(self.seconds.get(rule, ())) for rule, count in self.planned.items()}
        beside = max(1.0, sum(everything) / max(time.monotonic() - self.start, 1e-9))
        seconds = sum(count * means.get(rule, mean) for rule, count in left.items() if count > 0) / beside
        return f", about {span(seconds)} left" if seconds >= 1 else ""

    def _write(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=self.whole.stream, flush=True)


def span(seconds: float) -> str:
    """3 s, 5 min, 2.5 h, 3.1 d."""
    for size, unit in ((86400, "d"), (3600, "h")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
