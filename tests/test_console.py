"""The console: a line a job begun and ended, and all else as Snakemake says it."""

import io
import logging
import re

import pytest

from freedarts.jobs import console
from tests.support import ROOT, snakemake


@pytest.fixture
def said():
    """(logger, what was said), of a handler with Snakemake's name for it."""
    stream, logger = io.StringIO(), logging.Logger("snakemake")
    handler = logging.StreamHandler(stream)
    handler.name = "DefaultStreamHandler"
    logger.addHandler(handler)
    console.quiet(logger)
    return logger, stream


def event(logger: logging.Logger, name: str, message: str | None = None, **facts: object) -> None:
    logger.info(message, extra={"event": name, **facts})


def begin(logger: logging.Logger, number: int, rule: str, **wildcards: object) -> None:
    event(logger, "job_info", "rule …", jobid=number, rule_name=rule, wildcards=wildcards)
    event(logger, "shellcmd", "python -m scripts.search")


def end(logger: logging.Logger, *numbers: int, done: int, total: int) -> None:
    for number in numbers:
        event(logger, "job_finished", "Finished jobid", job_id=number)
    event(logger, "progress", done=done, total=total)


def test_a_job_is_a_line_begun_and_one_ended_with_counts_and_time_left(said, monkeypatch):
    logger, stream = said
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    logger.handlers[0].start = 0.0
    event(logger, "workflow_started", "host: x")
    event(logger, "run_info", "Job stats: …", stats={"search": 3, "tables": 1, "total": 4})
    begin(logger, 1, "search", supernet="darts-8", seed=0)
    now[0] = 300.0
    end(logger, 1, done=1, total=4)
    lines = [line.partition(" ") for line in stream.getvalue().splitlines()]
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", when) for when, _, _ in lines)
    assert [text for _, _, text in lines] == [
        "4 jobs: 3 search, 1 tables",
        "begun  search darts-8 0",
        "ended  search darts-8 0, 5 min; 1 of 4 done, about 15 min left",
    ]


def test_jobs_that_end_together_are_a_line_each(said):
    logger, stream = said
    event(logger, "run_info", stats={"search": 2, "total": 2})
    begin(logger, 1, "search", seed=0)
    begin(logger, 2, "search", seed=1)
    end(logger, 1, 2, done=2, total=2)
    assert [line[9:] for line in stream.getvalue().splitlines()[-2:]] == [
        "ended  search 0, 0 s",
        "ended  search 1, 0 s; 2 of 2 done",
    ]


def test_errors_and_what_is_to_be_known_are_said_as_before(said):
    logger, stream = said
    logger.info("Select jobs to execute...")
    logger.error("Error in rule search", extra={"event": "job_error"})
    logger.warning("Select another profile")
    logger.info("Nothing to be done (all requested files are present and up to date).")
    assert stream.getvalue().splitlines() == [
        "Error in rule search",
        "Select another profile",
        "Nothing to be done (all requested files are present and up to date).",
    ]


def test_another_logger_is_left_as_it_is():
    logger = logging.Logger("snakemake")
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    before = list(logger.handlers)
    console.quiet(logger)
    assert logger.handlers == before


@pytest.mark.workflow
def test_with_p_snakemake_says_all_that_it_says_otherwise(tmp_path):
    call = ("results/status.md", "--snakefile", ROOT / "Snakefile")
    whole = (
        "rule status:",
        "python -m scripts.status",
        "output: results/status.md",
        "Finished jobid: 0 (Rule: status)",
    )
    quiet = snakemake(tmp_path, *call)
    assert re.search(r"^\d\d:\d\d:\d\d begun  status$", quiet, re.MULTILINE)
    assert not [line for line in whole if line in quiet]
    said = snakemake(tmp_path, *call, "-p")
    assert "begun  status" not in said
    assert [line for line in whole if line in said] == list(whole)


@pytest.mark.parametrize(
    ("seconds", "text"), [(3, "3 s"), (119, "119 s"), (300, "5 min"), (9000, "2.5 h"), (260000, "3.0 d")]
)
def test_spans_have_two_digits(seconds, text):
    assert console.span(seconds) == text
