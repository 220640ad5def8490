"""`freedarts`: what it lists, what it loads, and settings that come from the configuration."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from freedarts import __main__ as command
from freedarts import files
from freedarts.files import VERSION
from freedarts.results.plan import BEHIND
from tests.support import ROOT


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Call the command in *tmp_path*: (exit status, what it says)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["freedarts", *map(str, arguments)])
        try:
            files.run(command.main)
        except SystemExit as end:
            if isinstance(end.code, str):
                return 1, end.code
            return end.code or 0, "".join(capsys.readouterr())
        return 0, "".join(capsys.readouterr())

    return call


def test_help_has_a_line_for_each_command(call):
    status, text = call("--help")
    assert status == 0
    lines = re.findall(r"^  ([a-z]+) +[A-Z].*$", text, re.MULTILINE)
    assert lines == list(command.NAMES)
    assert {"verify", "repair", "pack", "status", "plan", "search", "derive", "evaluate"} <= set(lines)


def test_list_of_commands_loads_neither_torch_nor_pandas():
    code = (
        "import sys; sys.argv = ['freedarts', '--help']\n"
        "from freedarts.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n"
        "    print([m for m in ('torch', 'pandas', 'yaml', 'jsonschema') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version(call):
    assert call("--version") == (0, f"{VERSION}\n")


@pytest.mark.parametrize("arguments", [(), ("nothing",), ("search", "--supernet", "darts-8")])
def test_bad_options_end_with_their_usage(call, arguments):
    status, text = call(*arguments)
    assert status == 2
    assert text.startswith("usage: freedarts")


def test_chain_by_the_names_of_the_configuration(call, tmp_path):
    case = ("--supernet", "nasbench201", "--score", "synflow", "--seed", 3)
    assert call("search", *case, "--output", "scores.json") == (0, "")
    assert call("derive", "--search", "scores.json", "--output", "seed3.json") == (0, "")
    assert call("cost", "--task", "digits-nasbench201", "--output", "costs.json", "seed3.json") == (0, "")
    assert json.loads((tmp_path / "costs.json").read_text())["seeds"]["3"]["parameters"] > 0


def test_settings_follow_the_given_configuration(call, tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(
        "supernets:\n  tiny: {space: nasbench201, channels: 4, cells_per_stage: 1, image_size: 8, classes: 5}\n"
    )
    case = ("--supernet", "tiny", "--score", "synflow", "--seed", 0, "--output", "scores.json")
    status, text = call("search", *case)
    assert status == 1
    assert "--supernet 'tiny'" in text
    assert "darts-8" in text
    assert call("search", *case, "--configfile", overlay) == (0, "")
    assert json.loads(Path("scores.json").read_text())["supernet"] == "tiny"


@pytest.mark.parametrize(
    ("content", "message"),
    [("- a", "mine.yaml: holds list, expected a mapping"), (None, "mine.yaml: no such file")],
)
def test_configuration_that_is_none_is_named(call, tmp_path, content, message):
    if content:
        (tmp_path / "mine.yaml").write_text(content)
    status, text = call(
        "search", "--supernet", "tiny", "--score", "synflow", "--seed", 0, "--output", "o", "--configfile", "mine.yaml"
    )
    assert (status, text) == (1, f"error: {message}")


def test_settings_and_names_of_the_configuration_exclude_each_other(call):
    status, text = call("cost", "--settings", "{}", "--task", "digits", "--output", "costs.json", "seed3.json")
    assert status == 2
    assert "without --configfile and --task" in text


def test_task_is_asked_for(call):
    status, text = call("cost", "--output", "costs.json", "seed3.json")
    assert status == 1
    assert "--task is missing" in text


@pytest.mark.workflow
def test_pages_of_the_workflow_are_printed(call):
    for name, title in (("status", "# Status"), ("plan", "# What results/tables.md still needs")):
        status, text = call(name, "--config", "search=[]", "costs=[]", "retrain=[]", "correlation=[]")
        assert status == 0
        assert text.startswith(title)
        page = Path("results", f"{name}.md").read_text(encoding="utf-8")
        screen, behind, _ = page.partition(BEHIND)
        assert text == (f"{screen}What stands behind it, row by row: results/plan.md\n" if behind else page)
    status, text = call("plan", "--config", "numbers=[nothing]")
    assert status == 1
    assert "unknown number 'nothing'" in text
