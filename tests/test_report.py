"""The report, as a command: with no, some and all results; what is broken spoils its own place."""

import json
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from freedarts import tables
from freedarts.files import InputError
from freedarts.report.svg import inline
from freedarts.study.paths import (
    AGAIN_FIGURE,
    AGREEMENT_FIGURE,
    CURVES_FIGURE,
    GENOTYPES_FIGURE,
    METRICS,
    PARAMETERS_FIGURE,
    REPLAYS_FIGURE,
    RULES_FIGURE,
    SCATTER_FIGURE,
    SCORES_FIGURE,
    SEARCH,
)
from tests.support import ROOT, SEARCH_RESULT, assert_refused, options, write

SETTINGS = {
    "searches": [["nasbench201", "a", [0, 1]], ["darts-8", "a", [0]]],
    "sources": [["darts-8", "p", [0]]],
    "trainings": [["t", "nasbench201", "a", 0, 0]],
    "scatter": True,
    "name": None,
    "own": "results/",
    "configuration": "0123abcd",
}
FIGURES = [
    SCORES_FIGURE.format(supernet="nasbench201", score="a"),
    SCORES_FIGURE.format(supernet="darts-8", score="a"),
    GENOTYPES_FIGURE.format(supernet="nasbench201", source="a"),
    GENOTYPES_FIGURE.format(supernet="darts-8", source="a"),
    GENOTYPES_FIGURE.format(supernet="darts-8", source="p"),
    "results/" + AGAIN_FIGURE,
    "results/" + AGREEMENT_FIGURE,
    "results/" + CURVES_FIGURE,
    "results/" + SCATTER_FIGURE,
    "results/" + REPLAYS_FIGURE,
    "results/" + PARAMETERS_FIGURE,
    "results/" + RULES_FIGURE,
]
XMLNS = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
DRAWING = f"""<?xml version="1.0"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg {XMLNS} width="20pt" height="10pt" viewBox="0 0 20 10">
<metadata><a xmlns="http://elsewhere.example/">x</a></metadata>
<defs><style>* {{ fill: red }}</style><path id="m"/></defs>
<g id="figure_1" clip-path="url(#c)"><text style="clip-path: url(#c)">drawn &amp; written</text>
<use xlink:href="#m"/></g><clipPath id="c"/></svg>
"""
NUMBER = "results/numbers/cifar10/freedarts.json"
LOG = "logs/numbers/cifar10/freedarts.log"
JUDGED = {"number": "cifar10/freedarts", "paper": 2.73, "evidence here": "costs exact", "verdict": "not run"}
TABLES = [
    tables.Table(
        "findings",
        "What was found",
        "",
        [{"claim": "c", "where": "As in the paper"}],
        links=[{"where": "paper"}],
    ),
    tables.Table(
        "paper",
        "As in the paper",
        "",
        [{"method": "F", "top-1": 2.73}],
        {"top-1": str},
        links=[{"top-1": JUDGED["number"]}],
    ),
    tables.Table(
        "numbers",
        "The numbers",
        "A <b>note</b>.",
        [JUDGED | {"next": "`snakemake --config 'numbers=[x]'`"}],
        {"paper": str},
        (("number", "paper"), ("number", "next")),
        [[NUMBER]],
    ),
    tables.Table("retraining", "Retraining", "", []),
]
BENCHMARK = "s\th:m:s\tmax_rss\n{}\t0:00:01\t{}\n"
TASK = {"task": "t", "supernet": "nasbench201", "source": "a", "seed": 0, "run": 0}


class Page(HTMLParser):
    """ids, what is loaded or linked, texts, and whether tags are closed in order."""

    VOID = ("meta", "link", "br", "path", "use", "input")

    def __init__(self, text: str):
        super().__init__()
        self.open, self.ids, self.addresses, self.tags, self.text = [], [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "xlink:href", "srcset", "data", "action") or "url(" in (value or ""):
                self.addresses.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def report(script, **changes) -> tuple[int, str]:
    template = ROOT / "freedarts" / "report" / "template.html"
    given = {"--settings": json.dumps(SETTINGS), "--tables": "results/tables.json", "--template": template}
    return script("report", *options(given | {"--output": "out/report.html"} | changes))


def page(script) -> Page:
    assert report(script) == (0, "")
    found = Page(Path("out/report.html").read_text(encoding="utf-8"))
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    targets = {f"#{identifier}" for identifier in found.ids}
    for address in found.addresses:
        places = re.fullmatch(r"(#[\w-]+)|[\w: -]*url\((#[\w-]+)\)[\w: -]*", address)
        local = address.startswith("data:") or address in (NUMBER.removeprefix("results/"), f"../{LOG}")
        assert local or (places and places[places.lastindex] in targets), address
    assert not {"iframe", "img", "object", "embed"} & set(found.tags)
    assert found.tags.count("script") == 1
    return found


@pytest.fixture
def results(tmp_path) -> Path:
    write(tmp_path / "results/tables.json", tables.json(TABLES, [("1 of 2", "costs are exact")]))
    write(tmp_path / "results/manifest.json", {"files": {NUMBER: "f" * 64}})
    write(tmp_path / LOG, "judged")
    for name in FIGURES:
        write(tmp_path / name, DRAWING)
    for supernet, score, seeds in SETTINGS["searches"]:
        for seed in seeds:
            case = {"supernet": supernet, "score": score, "seed": seed}
            write(tmp_path / SEARCH.format(**case), SEARCH_RESULT)
            name = "results/benchmarks/search/{supernet}/{score}/seed{seed}.tsv".format(**case)
            write(tmp_path / name, BENCHMARK.format(10 + 2 * seed, 800 + seed))
    write(tmp_path / METRICS.format(**TASK), {"error_last": 2.345})
    write(tmp_path / "results/benchmarks/retrain/t/nasbench201/a/seed0/run0.tsv", BENCHMARK.format(3600.0, 1234.5))
    return tmp_path


def test_report_of_all_results(script, results):
    found = page(script)
    assert found.tags.count("svg") == found.text.count("drawn & written") == len(FIGURES)
    assert "no such file" not in found.text
    assert "snakemake results" not in found.text
    words = " ".join(found.text.split())
    for expected in (
        "A <b>note</b>.",
        "nasbench201 a 2 of 2 2 sound 11.0 801",
        "t nasbench201 a 0 0 2.35 3,600.0 1,234",
        "sha256 0123abcd",
        "cifar10/freedarts 2.73 costs exact not run snakemake --config 'numbers=[x]' 1 files "
        + NUMBER
        + " (digest) (log)",
        NUMBER + " " + "f" * 64,
    ):
        assert expected in words or expected.replace(" ", "") in words.replace(" ", "")


def test_report_loads_nothing_and_page_forbids_it(script, results):
    page(script)
    text = Path("out/report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    code = re.search("<script>(.*)</script>", text, re.DOTALL)[1]
    assert f"script-src 'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'" in text
    # Names of XML languages are no addresses that a browser loads.
    assert set(re.findall(r"https?://[^\"' <]+", text)) == {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_every_section_is_in_the_contents_and_numbers_lead_to_their_rows(script, results):
    page(script)
    text = Path("out/report.html").read_text(encoding="utf-8")
    assert text.index("1 of 2") < text.index('id="table-findings"') < text.index("<nav")
    assert '<a href="#table-paper">As in the paper</a>' in text
    contents = re.findall('href="#([^"]+)"', text[text.index("<nav") : text.index("</nav>")])
    assert sorted(contents) == sorted(re.findall('<section id="([^"]+)"', text))
    assert '<a href="#number-cifar10-freedarts">2.73</a>' in text
    assert '<tr id="number-cifar10-freedarts">' in text


def test_report_of_a_named_configuration_links_to_all_results(script, results):
    settings = json.dumps(SETTINGS | {"name": "mine", "own": "results/mine/"})
    assert report(script, **{"--settings": settings}) == (0, "")
    text = Path("out/report.html").read_text(encoding="utf-8")
    assert '<a href="../numbers/cifar10/freedarts.json">' in text
    assert "<title>mine</title>" in text
    assert "FreeDARTS, reproduced" not in text


def test_report_of_no_results_says_how_to_make_them(script):
    found = page(script)
    assert found.tags.count("svg") == 0
    for name in [*FIGURES, "results/tables.json", "results/manifest.json"]:
        assert f"{name}: no such file. Made by snakemake {name}" in " ".join(found.text.split())
    assert f"snakemake {SEARCH.format(supernet='nasbench201', score='a', seed=0)}" in found.text
    assert f"snakemake {METRICS.format(**TASK)}" in found.text


def test_report_of_some_results_names_the_next_one(script, results):
    missing = SEARCH.format(supernet="nasbench201", score="a", seed=1)
    (results / missing).unlink()
    (results / "results" / AGREEMENT_FIGURE).unlink()
    found = page(script)
    assert found.tags.count("svg") == len(FIGURES) - 1
    assert "1 of 2" in found.text
    assert found.text.count(f"snakemake {missing}") == 1


@pytest.mark.parametrize("name", [FIGURES[0], "results/" + CURVES_FIGURE])
@pytest.mark.parametrize("content", ["", DRAWING[:400], "<html></html>", "\0", DRAWING.replace("<use", "<script")])
def test_broken_figure_spoils_its_place_only(script, results, name, content):
    write(results / name, content)
    found = page(script)
    assert found.tags.count("svg") == len(FIGURES) - 1
    assert found.text.count(f"snakemake {name}") == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (SEARCH.format(supernet="nasbench201", score="a", seed=1), "{"),
        (SEARCH.format(supernet="nasbench201", score="a", seed=1), {"audit": None}),
        (METRICS.format(**TASK), {"error_last": None}),
        (METRICS.format(**TASK), "[]"),
    ],
)
def test_broken_result_spoils_its_cell_only(script, results, name, content):
    write(results / name, content)
    found = page(script)
    assert found.text.count("unreadable") == 1
    assert found.tags.count("svg") == len(FIGURES)


@pytest.mark.parametrize("content", ["", "s\tmax_rss\n", "s\tmax_rss\nx\ty\n", "a\tb\n1\t2\n"])
def test_broken_measurement_leaves_the_others(script, results, content):
    write(results / "results/benchmarks/search/nasbench201/a/seed1.tsv", content)
    assert "10.0" in page(script).text


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "not valid JSON"),
        (b"", "not valid JSON"),
        (b'{"tables": []}', "no key"),
        (b'{"tables": [1], "key_figures": []}', "not as tables writes it"),
        (b'{"tables": [{}], "key_figures": []}', "not as tables writes it"),
    ],
)
def test_broken_tables_spoil_their_section_only(script, results, content, why):
    (results / "results/tables.json").write_bytes(content)
    found = page(script)
    assert f"results/tables.json: {why}" in found.text
    assert found.tags.count("svg") == len(FIGURES)


@pytest.mark.parametrize("content", ["{", {"files": []}, {}])
def test_broken_manifest_spoils_its_section_only(script, results, content):
    write(results / "results/manifest.json", content)
    found = page(script)
    assert found.text.count("snakemake results/manifest.json") == 1
    assert NUMBER in found.text


def test_settings_and_template_must_be_right(script, results):
    assert_refused(report(script, **{"--settings": "{}"}), "--settings: holds [], expected the keys")
    assert_refused(report(script, **{"--template": "none.html"}), "none.html")


def test_ids_of_a_drawing_are_its_own(tmp_path):
    styles: dict[str, str] = {}
    text = inline(write(tmp_path / "x.svg", DRAWING), "a-", "What it shows", styles)
    assert set(re.findall(r'id="([^"]*)"', text)) == {"a-m", "a-c"}  # nothing refers to the other
    assert text.count("url(#a-c)") == 2
    assert 'aria-label="What it shows"' in text
    assert 'xlink:href="#a-m"' in text
    assert "elsewhere" not in text
    assert "fill: red" not in text


def test_drawings_share_their_styles_and_keep_two_decimals(tmp_path):
    styles: dict[str, str] = {}
    path = '<path d="M 1.23456 2\nL 3 4.5" style="fill: red"/>'
    for _ in range(2):
        text = inline(write(tmp_path / "x.svg", DRAWING.replace("<g id", f"{path}<g id")), "", "", styles)
    assert styles == {"fill: red": "s0"}
    assert '<path d="M 1.23 2 L 3 4.5" class="s0" />' in text
    assert ">drawn &amp; written</text>" in text


@pytest.mark.parametrize(
    "part",
    [
        "<script>1</script>",
        "<foreignObject/>",
        '<use xlink:href="http://elsewhere.example/x.svg#a"/>',
        '<image href="file:///etc/passwd"/>',
        '<g onclick="run()"/>',
        '<rect style="fill: url(http://elsewhere.example/x)"/>',
    ],
)
def test_drawing_that_loads_or_runs_something_is_refused(tmp_path, part):
    path = write(tmp_path / "x.svg", DRAWING.replace("<g id", f"{part}<g id"))
    with pytest.raises(InputError, match=r"x\.svg"):
        inline(path, "", "", {})


def test_report_of_real_figures_is_whole(script, results):
    write(results / "scores.json", SEARCH_RESULT | {"seed": 0})
    drawn = {"--title": "t", "--genotypes": results / FIGURES[2], "--output": results / FIGURES[0]}
    assert script("draw_score", *options(drawn), "scores.json") == (0, "")
    found = page(script)
    assert found.tags.count("svg") == len(FIGURES)
    assert "nor_conv_3x3" in found.text


def test_scatter_plot_is_shown_only_where_there_is_one(script, results):
    assert "Scores and accuracies" in page(script).text
    report(script, **{"--settings": json.dumps(SETTINGS | {"scatter": False})})
    found = Page(Path("out/report.html").read_text(encoding="utf-8"))
    assert "Scores and accuracies" not in found.text
    assert found.tags.count("svg") == len(FIGURES) - 1


def snakemake(*arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *arguments]
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


@pytest.mark.workflow
def test_report_asks_for_all_tables_and_figures(tmp_path, monkeypatch, catalogue):
    monkeypatch.chdir(tmp_path)
    planned = snakemake("results/report.html", "-n", "--quiet", "rules")
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", planned, re.MULTILINE)}
    expected = {"tables": 1, "report": 1, "draw_agreement": 1, "draw_curves": 1, "draw_replays": 1, "draw_rules": 1}
    expected |= {"draw_score": len(catalogue.searches()), "draw_source": len(catalogue.sources())}
    assert expected.items() <= jobs.items()


@pytest.mark.workflow
def test_report_of_what_there_is_runs_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snakemake("results/figures/rules.svg")
    said = snakemake("results/report-so-far.html")
    assert "; 1 of 1 done" in said
    drawn, shown = (
        set(re.findall(r"<text[^>]*>(.*?)</text>", path.read_text(), re.DOTALL))
        for path in (tmp_path / "results/figures/rules.svg", ROOT / "docs/rules.svg")
    )
    assert drawn == shown  # README's picture, which `make readme` makes
    found = Page((tmp_path / "results/report-so-far.html").read_text(encoding="utf-8"))
    assert found.tags.count("svg") == 1
    rules = ("draw_score", "retrain", "lookup_nasbench201", "convert_nasbench201")
    assert [rule for rule in rules if rule in found.text] == ["draw_score", "retrain", "lookup_nasbench201"]
    assert "snakemake results/tables.json" in found.text
