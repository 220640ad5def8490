"""Figures: what they draw, the same bytes each time, bad input; as commands."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure

from freedarts import genotype, spaces
from freedarts.figures import (
    agreement,
    curves,
    genotypes,
    hover,
    parameters,
    replays,
    rulegraph,
    scatter,
    scores,
    seeds_name,
    write_svg,
)
from freedarts.genotype import Refused
from freedarts.spaces import SPACES, darts, mobilenet, nasbench201
from freedarts.study.paths import ARCHITECTURE_SCORES, GENOTYPE, METRICS, SEARCH
from tests.support import REPLAY_VALUE, ROOT, SEARCH_RESULT, assert_refused, options, write

PUBLISHED = sorted((ROOT / "resources" / "genotypes").glob("*/*/seed*.json"))
HISTORY = "epoch,learning_rate,test_error\n0,0.05,50.0\n1,0.01,20.5\n"
RUN = {"task": "t", "supernet": "nasbench201", "source": "s", "seed": 0, "run": 0}
SCATTERED = {"correlations": [["parameters", 6, 0]], "searches": [["nasbench201", "s", [0, 1]]], "sources": []}
SCRIPTS = ("draw_score", "draw_source", "draw_agreement", "draw_curves", "draw_scatter")


def texts(figure, tmp_path: Path) -> list[str]:
    """All that is written in the figure, in order; formulas without blanks."""
    write_svg(tmp_path / "figure.svg", figure)
    root = ET.parse(tmp_path / "figure.svg").getroot()
    return ["".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")]


def search(space: str, matrix=None, verdict: str = "sound") -> dict:
    module = spaces.load(space)
    shape = (len(module.EDGES), len(module.OPERATIONS))
    matrices = {group: (np.ones(shape) if matrix is None else matrix).tolist() for group in module.GATES}
    overflow = verdict == "overflow"
    return {"space": space, "scores": None if overflow else matrices, "audit": {"verdict": verdict}}


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: "-".join(path.parts[-3:]))
def test_kept_gates_are_the_entries_that_genotypes_share(path):
    found = genotype.read(path)
    space = spaces.load(found.space)
    for group, kept in space.kept(found).items():
        assert all(0 <= edge < space.GATES[group] and 0 <= op < len(space.OPERATIONS) for edge, op in kept)
    for other in map(genotype.read, PUBLISHED):
        if other.space == found.space:
            ours, theirs = space.kept(found), space.kept(other)
            shared = {group: len(set(ours[group]) & set(theirs[group])) for group in ours}
            assert shared == genotype.agreement(found, other)


@pytest.mark.parametrize("space", SPACES)
def test_no_two_edges_have_their_names_at_one_place(space):
    module = spaces.load(space)
    assert len(module.EDGES) in module.GATES.values()
    assert all(0 <= source < target < len(module.DRAWN) for source, target in module.EDGES)
    places = [genotypes._middle(*edge) for edge in module.EDGES]
    width, height = 0.8, 0.2  # inches; `sep_conv_3x3` in its box is 0.77 wide
    for (x, y), (other_x, other_y) in combinations(places, 2):
        assert abs(x - other_x) >= width or abs(y - other_y) >= height


def test_drawn_genotypes_name_every_operation_once_a_distinct_genotype(tmp_path):
    first, second = (genotype.read(path) for path in PUBLISHED[:2])
    found = {0: first, 1: second, 2: first, 3: Refused("darts", "overflow in cells.3")}
    written = texts(genotypes.draw(found, "a title"), tmp_path)
    assert "a title" in written
    expected = [op for g in (first, second) for group in ("normal", "reduce") for op, _ in getattr(g, group)]
    assert sorted(text for text in written if text in darts.OPERATIONS) == sorted(expected)
    assert {"seeds 0, 2, normal", "seed 1, reduce", "seed 3, normal"} <= set(written)
    assert written.count("no genotype: overflow in cells.3") == 2


def test_drawn_chain_shows_blocks_that_are_left_out_and_the_width_they_leave(tmp_path):
    ids = [0] * 21
    ids[4] = mobilenet.OMITTED  # the first block of 56 channels
    written = texts(genotypes.draw({0: mobilenet.Genotype(tuple(ids))}, ""), tmp_path)
    assert [text for text in written if re.fullmatch(r"\d+", text)][:7] == ["24", "32", "32", "32", "32", "32", "56"]
    assert written.count("block") == 1
    assert written.count("mbconv") == 20


def test_nasbench201_cell_has_an_arrow_for_every_edge(tmp_path):
    written = texts(genotypes.draw({4: nasbench201.from_index(1651)}, ""), tmp_path)
    assert written.count("none") == 6
    assert "seed 4" in written


def test_heat_map_counts_the_seeds_that_keep_an_operation(tmp_path):
    found = {0: nasbench201.from_index(0), 1: nasbench201.from_index(0), 2: Refused("nasbench201", "overflow")}
    searches = {0: search("nasbench201"), 1: search("nasbench201"), 2: search("nasbench201", verdict="overflow")}
    written = texts(scores.draw(searches, found, ""), tmp_path)
    assert written.count("2") == 6
    assert any("mean over 2 seeds" in text for text in written)
    assert any("Audit: 1 overflow, 2 sound." in text for text in written)
    none = scores.draw({2: searches[2]}, {2: found[2]}, "")
    assert "Audit: 1 overflow. No scores." in texts(none, tmp_path)


def test_colours_show_the_mean_share_of_the_largest_score():
    """Of seeds whose scales differ by a hundred decades."""
    one, other = np.full((6, 5), 1e-50), np.full((6, 5), 1e50)
    one[0, 1] = 2e-50
    shares = scores._shares({0: search("nasbench201", one), 1: search("nasbench201", other)}, nasbench201, "cell")
    assert shares[0, 1] == 1
    assert shares[1, 1] == 0.75


@pytest.mark.parametrize(
    "values", [[0.0, 0.0], [1e-300, 1.0], [0.0, 5.0], [-1.0, 1e-8], [-1.0, -2.0], [3.0, 3.0]], ids=str
)
def test_scale_orders_all_scores(values):
    norm, colours = scores._scale(np.array(values))
    placed = [float(norm(value)) for value in sorted(values) if value or min(values) < 0]
    assert all(0 <= place <= 1 for place in placed)
    assert all(low < high for low, high in pairwise(placed) if values[0] != values[1])
    assert colours(norm(np.array(values))).shape == (2, 4)


def test_agreement_of_seeds_beside_chance(tmp_path):
    found = [nasbench201.Genotype((*["none"] * 3, *[op] * 3)) for op in ("none", "skip_connect")]
    pairs, chance = agreement._shares(found)
    assert pairs == [0.5]
    assert chance == pytest.approx(0.2)
    cases = {
        ("nasbench201", "many"): dict(enumerate(found)),
        ("nasbench201", "single"): {0: found[0]},
        ("nasbench201", "refused"): {0: found[0], 1: Refused("nasbench201", "overflow")},
    }
    written = texts(agreement.draw(cases), tmp_path)
    assert "many" in written
    assert not {"single", "refused"} & set(written)
    assert "No source has two genotypes." in texts(agreement.draw({}), tmp_path)


def test_curves_lie_over_the_published_ones_of_their_task(tmp_path):
    published = yaml.safe_load((ROOT / "resources" / "curves.yaml").read_text(encoding="utf-8"))
    cases = {("cifar10", "darts-8", "synflow", 0, run): [(0, 50.0), (1, 0.0)] for run in range(2)}
    figure = curves.draw(cases, published, {"DARTS_CNN/cifar10-FreeDARTS++/log.txt": "first step equal"})
    axes = figure.axes[0]
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        *("cifar10", "cifar10-c38", "cifar100-c38", "imagenet-c50", "imagenet", "imagenet-mobilenet")
    ]
    assert len(axes.lines) == 4
    assert axes.lines[0].get_ydata()[-1] == pytest.approx(2.72)
    written = texts(figure, tmp_path)
    assert written.count("synflow on darts-8") == 1
    assert "published log: darts-imagenet, seed 3" in written
    assert written.count("replayed here: first step equal") == 1
    assert len(curves.draw({}, published).axes) == len(published)  # also where nothing was trained
    assert "Nothing was trained." in texts(curves.draw({}, []), tmp_path)


def test_replays_lie_under_the_log_that_they_follow(tmp_path):
    figure = replays.draw([REPLAY_VALUE, {**REPLAY_VALUE, "rows": []}])
    (axes,) = figure.axes
    logged = [line for line in axes.lines if line.get_label() == "published log"]
    assert [line.get_xydata().tolist() for line in logged] == [[[0, 3.4]]]
    write_svg(tmp_path / "figure.svg", figure)
    assert re.search("<title>step 0: log 3.4000, here .*</title>", (tmp_path / "figure.svg").read_text())
    written = texts(figure, tmp_path)
    assert {"cifar10-dagger: followed to step 0", "3 copies", "another seed"} <= set(written)
    assert "No log was followed beyond its first step." in texts(replays.draw([]), tmp_path)


def test_parameters_and_errors_are_the_published_ones(tmp_path):
    names = ("numbers", "costs", "field")
    numbers, costs, field = (yaml.safe_load((ROOT / "resources" / f"{name}.yaml").read_text()) for name in names)
    figure = parameters.draw(numbers, costs, field["results"])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["CIFAR-10 top-1 error", "CIFAR-100 top-1 error", "ImageNet top-1 error", "ImageNet top-5 error"]
    write_svg(tmp_path / "figure.svg", figure)
    said = re.findall("<title>(.*)</title>", (tmp_path / "figure.svg").read_text())
    assert "FreeDARTS, paper: 2.73 %, 3.61 to 4.41 M" in said  # which genotype was trained is not recorded
    assert "FreeDARTS†, log, last epoch: 2.66 %, 3.65 M" in said
    assert sum("arXiv" in text for text in said) == len(field["results"])
    assert "DARTS, 2nd order: 2.76 ± 0.09 %, 3.3 M (Liu et al., DARTS, arXiv 1806.09055v2, table 1)" in said
    assert "No number has published parameters." in texts(parameters.draw(numbers, {"genotypes": []}, []), tmp_path)


def test_text_on_hover_is_escaped_once(tmp_path):
    figure = Figure()
    hover(figure.text(0, 0, "x"), 'a < b & "c"')
    write_svg(tmp_path / "figure.svg", figure)
    root = ET.parse(tmp_path / "figure.svg").getroot()
    assert [node.text for node in root.iter("{http://www.w3.org/2000/svg}title")] == ['a < b & "c"']


def test_published_curves_are_those_of_the_logs(shared, catalogue):
    logs = json.loads((shared / "facts" / "published.json").read_text())["logs"]
    numbers = yaml.safe_load((ROOT / "resources" / "numbers.yaml").read_text(encoding="utf-8"))
    best = {number["log"]["best"] for number in numbers if number["log"]}
    published = yaml.safe_load((ROOT / "resources" / "curves.yaml").read_text(encoding="utf-8"))
    assert {curve["log"] for curve in published} == {log["log"] for log in logs.values()}
    for curve in published:
        assert curve["task"] in catalogue.config["tasks"]
        assert curve["seed"] in catalogue.seeds(curve["supernet"], curve["source"])
        assert any(abs(min(curve["errors"]) - value) < 0.006 for value in best)
        (facts,) = (log["curve"] for log in logs.values() if log["log"] == curve["log"])
        accuracies = facts.get("valid_acc") or facts["top1"]
        assert curve["errors"] == pytest.approx([100 - accuracy for accuracy in accuracies], abs=1e-9)


def test_seeds_are_named_shortly():
    assert [seeds_name(seeds) for seeds in ([3], [0, 4], [0, 1, 2], [0, 2, 3])] == [
        "seed 3",
        "seeds 0, 4",
        "seeds 0 to 2",
        "seeds 0, 2, 3",
    ]


@pytest.fixture
def results(tmp_path) -> Path:
    for seed in range(2):
        write(tmp_path / f"search/seed{seed}/scores.json", SEARCH_RESULT | {"seed": seed})
        found = nasbench201.derive(SEARCH_RESULT["scores"]).to_json()
        write(tmp_path / GENOTYPE.format(supernet="nasbench201", source="s", seed=seed), found | {"seed": seed})
        write(tmp_path / SEARCH.format(supernet="nasbench201", score="s", seed=seed), SEARCH_RESULT | {"seed": seed})
    scored = {"architectures": list(range(6)), "scores": [1.5, None, 2.0, 3.0, 2.5, 1.0]}
    write(tmp_path / ARCHITECTURE_SCORES.format(score="parameters", architectures=6, seed=0), scored)
    write((tmp_path / METRICS.format(**RUN)).with_name("history.csv"), HISTORY)
    return tmp_path


def call(script, name: str, *more, **changes) -> tuple[int, str]:
    sources = [f"results/genotypes/nasbench201/s/seed{seed}.json" for seed in range(2)]
    given = {
        "draw_score": {"--title": "t", "--genotypes": "out/genotypes.svg"},
        "draw_source": {"--title": "t"},
        "draw_agreement": {"--settings": '{"sources": [["nasbench201", "s", [0, 1]]]}'},
        "draw_curves": {
            "--settings": '{"trainings": [["t", "nasbench201", "s", 0, 0]], "replays": []}',
            "--published": ROOT / "resources" / "curves.yaml",
        },
        "draw_scatter": {"--settings": json.dumps(SCATTERED)},
    }[name]
    files = {"draw_score": ["search/seed0/scores.json", "search/seed1/scores.json"], "draw_source": sources}
    return script(name, *options(given | {"--output": "out/figure.svg"} | changes), *(more or files.get(name, ())))


@pytest.mark.parametrize("name", SCRIPTS)
def test_figures_have_the_same_bytes_each_time(script, results, name):
    made = []
    for _ in range(2):
        assert call(script, name) == (0, "")
        made.append({path.name: path.read_bytes() for path in (results / "out").iterdir()})
        assert all(content.startswith(b"<?xml") for content in made[-1].values())
    assert made[0] == made[1]
    assert len(made[0]) == (2 if name == "draw_score" else 1)


@pytest.mark.parametrize(
    ("name", "path", "content", "message"),
    [
        ("draw_score", "search/seed1/scores.json", "{", "search/seed1/scores.json: not valid JSON"),
        ("draw_score", "search/seed1/scores.json", SEARCH_RESULT | {"seed": 0}, "a second search with seed 0"),
        ("draw_score", "search/seed1/scores.json", {"seed": 1}, "no key 'space', 'scores', 'operations', 'audit'"),
        (
            "draw_score",
            "search/seed1/scores.json",
            SEARCH_RESULT | {"seed": 1, "scores": {"cell": [[0.0]]}},
            "search/seed1/scores.json: scores.cell: expected 6 rows",
        ),
        ("draw_source", "results/genotypes/nasbench201/s/seed1.json", "", "seed1.json: not valid JSON"),
        (
            "draw_source",
            "results/genotypes/nasbench201/s/seed1.json",
            {"space": "mobilenet", "operations": [0] * 21},
            "seed1.json: is a genotype of mobilenet, expected nasbench201",
        ),
        ("draw_agreement", "results/genotypes/nasbench201/s/seed1.json", "[]", "seed1.json: holds a list"),
        ("draw_scatter", "results/search/nasbench201/s/seed0/scores.json", "{", "seed0/scores.json: not valid JSON"),
        (
            "draw_scatter",
            "results/search/nasbench201/s/seed0/scores.json",
            SEARCH_RESULT | {"space": "darts"},
            "seed0/scores.json: scores: has ['cell'], expected the gate groups",
        ),
        ("draw_curves", "results/retrain/t/nasbench201/s/seed0/run0/history.csv", "a,b\n1,2\n", "expected numbers in"),
        (
            "draw_curves",
            "results/retrain/t/nasbench201/s/seed0/run0/history.csv",
            "epoch,test_error\n1,x\n",
            "history.csv: expected numbers in the columns epoch and test_error",
        ),
    ],
)
def test_figures_name_the_result_that_is_wrong(script, results, name, path, content, message):
    write(results / path, content)
    assert_refused(call(script, name), message)


def test_drawing_the_same_seed_twice_is_refused(script, results):
    twice = ["results/genotypes/nasbench201/s/seed1.json"] * 2
    assert_refused(call(script, "draw_source", *twice), "seed1.json: a second genotype of seed 1")


@pytest.mark.long
def test_figure_jobs_load_no_torch():
    check = (
        "import sys, freedarts.study.catalogue; light = 'matplotlib' not in sys.modules; "
        f"import {', '.join(f'scripts.{name}' for name in (*SCRIPTS, 'draw_rules'))}; "
        "print(light, [m for m in ('torch', 'pandas', 'sklearn', 'matplotlib.pyplot') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout == "True []\n"


def dot(*edges: tuple[str, str]) -> str:
    names = sorted({name for edge in edges for name in edge})
    nodes = [
        f'\t{number}[label = "{name}", color = "0.1 0.6 0.85", style="rounded"];' for number, name in enumerate(names)
    ]
    lines = [f"\t{names.index(source)} -> {names.index(target)}" for source, target in edges]
    return "\n".join(["digraph snakemake_dag {", *nodes, *lines, "}"])


def test_rules_are_drawn_in_order_and_arrows_pass_no_rule(tmp_path):
    edges = [("search", "derive"), ("derive", "cost"), ("cost", "tables"), ("derive", "tables"), ("search", "draw")]
    edges += [("tables", "report"), ("draw", "report")]
    graph = rulegraph.parse(dot(*edges), "")
    layers, lines = rulegraph._layers(rulegraph.nx.transitive_reduction(graph))
    column = {node: place for place, layer in enumerate(layers) for node in layer}
    assert [column[rule] for rule in ("search", "derive", "cost", "tables", "report")] == [0, 1, 2, 3, 4]
    assert column["draw"] == 3
    assert all(column[target] == column[source] + 1 for source, target in lines)
    assert len(lines) == 4 + 4  # derive -> tables follows from others; search -> draw crosses two columns
    assert sorted(texts(rulegraph.draw(graph), tmp_path)) == sorted(graph)


@pytest.mark.parametrize("content", ["", "digraph {}", dot(("a", "b"), ("b", "a")), "\t0 -> 1\n"])
def test_what_is_no_graph_of_rules_is_refused(script, tmp_path, content):
    write(tmp_path / "rules.dot", content)
    assert_refused(script("draw_rules", "--graph", "rules.dot", "--output", "out/x.svg"), "error: rules.dot: ")


def test_scatter_plot_has_a_panel_for_each_score_and_a_mark_for_each_source(tmp_path):
    accuracies = np.array([*np.linspace(10, 94.37, 39), np.nan])
    scores = {
        ("plain", "a"): np.arange(40.0),
        ("constant", "b"): np.ones(40),
        ("wide", "c"): np.array([0.0, *np.logspace(0, 50, 38), np.nan]),
        ("negative", "d"): -(np.arange(40.0) ** 9),
        ("none", "e"): np.full(40, np.nan),
    }
    figure = scatter.draw(scores, accuracies, {"one": [3], "another": [], "both": [5, 39]}, "CIFAR-10")
    found = texts(figure, tmp_path)
    assert {"plain", "a", "none", "one", "another", "both", "test accuracy, % (CIFAR-10)"} <= set(found)
    assert [text for text in found if text.startswith("ρ")] == [
        "ρ = 1.00, n = 39",
        "ρ = 1.00, n = 39",
        "ρ = -1.00, n = 39",
    ]
    plain = figure.axes[0]
    assert [len(line.get_xdata()) for line in plain.lines] == [39, 1, 0, 2]
    assert [axes.get_xscale() for axes in figure.axes[::3]] == ["linear", "linear", "asinh", "asinh", "linear"]
    bars = [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes[1::3]]
    assert bars == [39, 39, 39, 39, 0]
    assert texts(scatter.draw({}, accuracies, {}, "CIFAR-10"), tmp_path) == ["No architecture was scored."]
