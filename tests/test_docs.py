"""The documentation does what it says: code blocks are run, the reference is in step, links lead somewhere.

Every page in docs/ and the READMEs of config/ and profiles/ are read, each in a fresh copy of the project; a new page
needs no entry here. docs/README.md says what a block's first lines mean; in short:

    ```bash, ```python, ```yaml   run, run (as the cells of a notebook), parsed
    # FILE.EXT                    alone on the first line: the block is the contents of that file
    # needs finished results      on the first line: run where a small selection has been
    # needs the benchmark         on the first line: run with a benchmark of three architectures
    # needs minutes               on the first line: run with `pytest -m slow`, else as the next
    # needs ...                   on the first line: only `snakemake` lines are run, with -n; python is compiled
    ```text                       what the block before it prints; an ellipsis stands for anything
"""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
import yte
from markdown_it import MarkdownIt

import freedarts
from freedarts import baselines, nasbench201, tables
from freedarts.files import read_json
from freedarts.genotype import Refused
from freedarts.nasbench201 import convert as conversion
from freedarts.nasbench201.query import find
from freedarts.scores import Score
from freedarts.spaces import SPACES
from freedarts.study import paper, paths, reference
from freedarts.study.settings import read_yaml
from freedarts.training.protocol import Protocol
from tests.nasbench201 import file as benchmark
from tests.support import ROOT, SCHEMA, copy_project, snakemake

pytestmark = pytest.mark.workflow

PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "config/README.md", *ROOT.glob("profiles/*/README.md")])
TUTORIAL = ROOT / "docs" / "tutorial.md"
RUN = ("bash", "python", "yaml")
SELECTION = {  # the smallest in place of the default's
    "search": [{"supernets": ["nasbench201"], "scores": ["synflow"], "seeds": 1}],
    "correlation": [],
    "costs": [],
    "retrain": [],
}
CELL = "--- end of a cell ---"


@dataclass
class Block:
    language: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The file that the block is the contents of."""
        found = re.match(r"# ([\w./-]+\.\w+)\n", self.text)
        return found and found[1]

    @property
    def needs(self) -> str | None:
        found = re.match(r"# (needs .*)\n", self.text)
        return found and found[1]


def blocks(page: Path) -> list[Block]:
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    fences = (token for token in tokens if token.type == "fence" and token.info in (*RUN, "text"))
    return [Block(token.info, token.content, token.map[0] + 1) for token in fences]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run(command: list[str], project: Path, where: str) -> str:
    path = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]), "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=project, text=True, capture_output=True, env=os.environ | path)
    assert done.returncode == 0, f"{where}: {(done.stdout + done.stderr)[-4000:]}"
    return done.stdout + done.stderr


def plan(block: Block, project: Path, where: str) -> None:
    """What cannot be run here: the planning of its `snakemake` lines, and the syntax of all."""
    if block.language == "python":
        ast.parse(block.text)
        return
    run(["bash", "-n", "-c", block.text], project, where)
    for line in block.text.splitlines():
        if line.startswith("snakemake "):
            run([*shlex.split(line, comments=True), "-n"], project, where)


def finish(project: Path) -> None:
    path = project / "config" / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8")) | SELECTION, sort_keys=False))
    snakemake(project)


def convert(project: Path) -> None:
    cell = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"
    source = project / "benchmark.pth"
    benchmark.write_legacy(source, benchmark.contents([0, find(cell).index, 6818]))
    conversion.convert(source, project / nasbench201.TRIALS, project / nasbench201.TABLE)


MINUTES = "needs minutes"
PREPARED = {"needs finished results": finish, "needs the benchmark": convert}


def assert_printed(page: Path, said: dict[int, str]) -> None:
    """That what the page shows after a block is what the block printed."""
    for before, block in pairwise(blocks(page)):
        if block.language == "text":
            expected = ".*?".join(re.escape(part) for part in block.text.strip().split("…"))
            assert before.line in said, f"{name(page)}:{block.line}: no output stands before it"
            printed = said[before.line]
            assert re.search(expected, printed, re.DOTALL), f"{name(page)}:{block.line}: printed was\n{printed[-4000:]}"


def run_page(page: Path, project: Path, patient: bool = False) -> None:
    cells: list[Block] = []
    said: dict[int, str] = {}  # line of a block -> what it printed
    found = blocks(page)

    def run_cells() -> None:
        if cells:
            code = f"\nprint({CELL!r}, flush=True)\n".join(cell.text for cell in cells)
            output = run([sys.executable, "-c", code], project, f"{name(page)}:{cells[0].line}").split(f"{CELL}\n")
            said.update((cell.line, text) for cell, text in zip(cells, output, strict=True))
            cells.clear()

    for needs in {block.needs for block in found} & set(PREPARED):
        PREPARED[needs](project)
    for block in found:
        where = f"{name(page)}:{block.line}"
        if block.file:
            (project / block.file).parent.mkdir(parents=True, exist_ok=True)
            (project / block.file).write_text(block.text, encoding="utf-8")
        if block.language == "yaml":
            assert yaml.safe_load(block.text) is not None, where
        elif block.needs and block.needs not in PREPARED and not (patient and block.needs == MINUTES):
            plan(block, project, where)
        elif block.language == "python" and not block.file:
            cells.append(block)
        elif block.language == "bash":
            run_cells()
            said[block.line] = run(["bash", "-ec", block.text], project, where)
    run_cells()
    assert_printed(page, said)


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory) -> Path:
    """The project after the tutorial."""
    project = copy_project(tmp_path_factory.mktemp("tutorial") / "project")
    run_page(TUTORIAL, project)
    return project


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.language in RUN for block in blocks(page))], ids=name
)
def test_blocks_of_the_page_run(page, tmp_path, request):
    if page == TUTORIAL:
        request.getfixturevalue("tutorial")
    else:
        run_page(page, copy_project(tmp_path / "project"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.needs == MINUTES for block in blocks(page))], ids=name
)
def test_blocks_of_the_page_that_take_minutes_run(page, tmp_path):
    run_page(page, copy_project(tmp_path / "project"), patient=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```bash\nfalse\n```", "docs/page.md:1"),
        ("```python\nx = 1\n```\n\n```python\nassert x == 2\n```", "AssertionError"),
        ("```bash\necho 12 of 13\n```\n\n```text\n… of 14\n```", "12 of 13"),
        ("```bash\n# needs a GPU\nsnakemake --no-such-option\n```", "no-such-option"),
        ("```bash\n# needs a GPU\nif\n```", "syntax error"),
    ],
)
def test_page_that_is_wrong_is_named(tmp_path, monkeypatch, text, message):
    monkeypatch.setattr("tests.test_docs.ROOT", tmp_path)
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text(text)
    with pytest.raises(AssertionError, match=message):
        run_page(page, tmp_path)


def anchors(page: Path) -> set[str]:
    """Of the headings, as code hosts make them."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.exists(), f"{name(page)}: {target}"
        assert not anchor or anchor in anchors(to), f"{name(page)}: {target}"


def test_index_names_every_page():
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)\)", text)}
    assert {page for page in PAGES if page != ROOT / "docs" / "README.md"} <= linked


def commands() -> Iterator[tuple[str, str]]:
    """Every call of Snakemake that a page, the Makefile, a configuration or a tier prints, and where."""
    for page in (*PAGES, ROOT / "README.md"):
        for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
            for code in (token, *(token.children or ())):
                if code.type in ("fence", "code_inline"):
                    yield from ((name(page), line) for line in code.content.splitlines() if "snakemake " in line)
    for file in (ROOT / "Makefile", *ROOT.glob("config/**/*.yaml"), ROOT / "resources/tiers.yaml"):
        yield from ((name(file), line) for line in re.findall(r"snakemake [^`\n]*", file.read_text(encoding="utf-8")))


def test_no_printed_command_gives_a_target_to_configfile(monkeypatch):
    """As the profile recognises it."""
    profile = (ROOT / "profiles/default/config.yaml").read_text()
    found = 0
    for where, line in commands():
        if "--config" in line:
            found += 1
            monkeypatch.setattr(sys, "argv", line.split())
            try:
                yte.process_yaml(profile, require_use_yte=True)
            except SystemExit as error:
                pytest.fail(f"{where}: {line}: {error}")
    assert found > 20


def overlays() -> Iterator[tuple[str, str]]:
    for page in (*PAGES, ROOT / "README.md"):
        yield from ((f"{name(page)}:{block.line}", block.text) for block in blocks(page) if block.language == "yaml")
    for file in ROOT.glob("config/**/*.yaml"):
        # The default and the paper have the tables of the paper for theirs.
        if file.name not in ("config.yaml", "paper.yaml", "schema.yaml"):
            yield name(file), file.read_text(encoding="utf-8")


def test_every_overlay_has_a_name(tmp_path):
    """But for where the benchmark's file lies, which is no selection and belongs into the default's tables too."""
    given = tmp_path / "overlay.yaml"
    found = 0
    for where, text in overlays():
        given.write_text(text, encoding="utf-8")
        keys = read_yaml(given).keys()
        found += 1
        assert "name" in keys or keys == {"nasbench201"}, f"{where}: no `name`: its tables replace those of the paper"
    assert found > 10


def test_targets_in_the_readme_can_be_planned(tmp_path):
    project = copy_project(tmp_path / "project")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = text.partition("## Useful commands")[2].partition("```\n")[2].partition("```")[0]
    targets = re.findall(r"results/\S+", commands)
    assert len(targets) > 5
    snakemake(project, "-n", *targets)


def test_reference_of_the_configuration_is_in_step():
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == reference.configuration(SCHEMA)


def test_defaults_in_the_schema_are_those_of_the_code():
    definitions = read_yaml(SCHEMA)["$defs"]
    for properties, kind in (
        (definitions["task"]["properties"]["protocol"]["properties"], Protocol),
        (definitions["score"]["properties"], Score),
    ):
        stated = {key: entry["default"] for key, entry in properties.items() if "default" in entry}
        fields = kind.__dataclass_fields__
        assert stated == {key: fields[key].default for key in stated}
        optional = {key for key, field in fields.items() if isinstance(field.default, (str, bool))}
        assert optional <= set(stated)


def test_public_modules_are_loaded_when_they_are_used():
    code = (
        "import sys, freedarts; before = set(sys.modules); print(sorted(m for m in before if m in ('torch', 'yaml')))"
    )
    code += "\nprint(freedarts.costs.costs.__name__, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout == "[]\ncosts True\n"
    assert set(freedarts.__all__) <= set(dir(freedarts))
    assert not hasattr(freedarts, "no_such_module")


FILES = ROOT / "docs" / "files.md"


def contracts() -> dict[str, set[str]]:
    """Of docs/files.md: path of a result -> its keys, from the table that follows it, if there is one."""
    found: dict[str, set[str]] = {}
    latest: list[str] = []
    for paragraph in FILES.read_text(encoding="utf-8").split("\n\n"):
        paths = re.findall(r"`((?:results|data)/[^`]*[^`/])`", paragraph)
        if paths and not paragraph.startswith("|"):
            latest = paths
            found |= {path: set() for path in paths}
        elif paragraph.startswith(("| key", "| column")):
            rows = paragraph.splitlines()[2:]
            found[latest[-1]] = {key for row in rows for key in re.findall(r"`([^`]+)`", row.split("|")[1])}
    return found


def outputs() -> set[str]:
    """What the rules write, as their files say it."""
    found = []

    def collect(*positional, **named):
        for value in (*positional, *named.values()):
            found.extend([value] if isinstance(value, str) else value)

    for path in (ROOT / "rules").glob("*.smk"):
        text = path.read_text(encoding="utf-8")
        known = {"paths": paths, "nasbench201": nasbench201, "collect": collect}
        known |= {"OWN": "results/", "RUN": paths.METRICS.removesuffix("metrics.json")}
        known |= dict(re.findall(r'^([A-Z]+) = "(.+)"$', text, re.MULTILINE))
        for section in re.findall(r"\n    output:\n((?:        .*\n)+)", text):
            eval(f"collect({section})", known)
    return {re.sub(r"{\w+}", "{}", name) for name in found}


def test_every_output_of_the_rules_is_described():
    described = {re.sub(r"{\w+}", "{}", path) for path in contracts()}
    assert described == outputs()


def test_rules_that_write_and_read_are_named():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    rules = {*re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)", text, re.MULTILINE), "sample"}
    said = re.findall(r"(?:written|read) by ([^;.]*)", FILES.read_text(encoding="utf-8"))
    named = {name for part in said for name in re.findall(r"`(\w+)`", part)}
    assert named == rules


def leaves(value: object, place: str = "") -> set[str]:
    if isinstance(value, dict) and value:
        return {leaf for key, inner in value.items() for leaf in leaves(inner, f"{place}.{key}" if place else key)}
    return {place}


def assert_keys(path: str, value: dict) -> None:
    """That *value* has the keys that docs/files.md lists for *path*, and no others."""
    patterns = {key: re.compile(re.sub(r"[A-Z]+", "[^.]+", re.escape(key)) + "$") for key in contracts()[path]}
    found = leaves(value)
    assert {leaf for leaf in found if not any(pattern.match(leaf) for pattern in patterns.values())} == set()
    assert {key for key, pattern in patterns.items() if not any(map(pattern.match, found))} == set()


def test_the_tutorial_leaves_the_tables_of_the_paper_alone(tutorial):
    assert (tutorial / "results/first/tables.md").exists()
    assert not (tutorial / "results/tables.md").exists()


def test_files_hold_the_keys_that_are_described(tutorial):
    short = tutorial / "results/retrain/short/small/mine/seed0/run0"
    given = json.loads((short / "protocol.json").read_text())
    genotype = tutorial / "results/genotypes/small/mine/seed0.json"
    checked = ["--settings", json.dumps(given)]
    for script, *arguments in (
        ("evaluate", "--weights", short / "weights.safetensors", *checked, "--output", tutorial / "evaluate.json"),
        ("preflight", "--genotype", genotype, *checked, "--output", tutorial / "preflight.json"),
    ):
        run([sys.executable, "-m", f"scripts.{script}", *map(str, arguments)], tutorial, script)
    for path, file in {
        paths.SEARCH: tutorial / "results/search/small/mine/seed0/scores.json",
        paths.COST: tutorial / "results/costs/short/small/mine.json",
        paths.METRICS: short / "metrics.json",
        paths.METRICS.replace("metrics", "protocol"): short / "protocol.json",
        "results/evaluate/{task}/{supernet}/{source}/seed{seed}/{name}.json": tutorial / "evaluate.json",
        "results/preflight/{task}/{supernet}/{source}/seed{seed}.json": tutorial / "preflight.json",
    }.items():
        assert_keys(path, read_json(file))
    columns = (short / "history.csv").read_text().splitlines()[0].split(",")
    assert_keys(paths.METRICS.replace("metrics.json", "history.csv"), dict.fromkeys(columns))
    assert_keys("results/tables.csv", dict.fromkeys(tables.csv([]).strip().split(",")))


def test_genotypes_and_numbers_hold_the_keys_that_are_described():
    genotypes = [baselines.uniform(space, 0) for space in SPACES] + [Refused("darts", "overflow")]
    assert_keys(paths.GENOTYPE, {key: None for found in genotypes for key in found.to_json() | {"seed": 0}})
    trained, looked_up = (
        next(entry for entry in paper.read(ROOT / "resources/numbers.yaml", SCHEMA) if paper.is_lookup(entry) == kind)
        for kind in (False, True)
    )
    both = trained | {key: trained[key] | looked_up[key] for key in ("reproduced_by", "tolerance")}
    reading = paper.reading(trained, {}, [])
    assert_keys(paths.READING, reading)
    assert_keys(paths.NUMBER, paper.judged(both, reading, paper.NOT_RUN))
