"""The figures that the paper prints: the rule for a verdict, what it is made from, and what the table says."""

import json
import math
from pathlib import Path

import pytest
import yaml

from freedarts import genotype
from freedarts.files import InputError
from freedarts.nasbench201 import ACCURACIES, packaged
from freedarts.spaces import nasbench201
from freedarts.study import checks, paper
from freedarts.study.catalogue import Catalogue
from freedarts.tables import Sample
from freedarts.tables.numbers import lookups_table, numbers_table, paper_table
from freedarts.tables.provenance import provenance_table
from tests.nasbench201 import file as benchmark
from tests.support import METRICS, NUMBERS, READINGS, ROOT, SCHEMA, SEARCH_RESULT, jobs_of, judge, looked_up, write

TRAINED = [number for number in NUMBERS.values() if not paper.is_lookup(number)]
DAGGER, FREEDARTS = NUMBERS["cifar10/freedarts-dagger"], NUMBERS["cifar10/freedarts"]
SNIP = NUMBERS["nasbench201/snip-cifar10-test"]
PRINTED = [number for number in NUMBERS.values() if paper.is_lookup(number)]
PRINTED_ALONE = {f"{m}-{d}-valid" for m in ("snip", "grasp") for d in ("cifar10", "cifar100", "imagenet16")}
TASKS = {"cifar10-c38": {"trainable": True}}
CASE = ("cifar10-c38", "darts-20", "published-synflow", 1)


def runs(*errors: float) -> dict:
    return {(*CASE, run): METRICS | {"error_last": error} for run, error in enumerate(errors)}


def row(
    trainings: dict, number: str = DAGGER["id"], searches: dict | None = None, genotypes: dict | None = None
) -> dict:
    found = paper.so_far(NUMBERS[number], READINGS, trainings, searches or {}, genotypes or {})
    return numbers_table([found], TASKS, {number: "judged"}).rows[0]


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ((), "not run"),
        ((2.45,), "partial (1 of 3 runs)"),
        ((2.45, 2.45), "partial (2 of 3 runs)"),
        ((2.45, 2.45, 2.45), "reproduced"),
        ((2.6347,) * 3, "reproduced"),  # 2 * 0.08 * sqrt(4 / 3) = 0.18475
        ((2.6348,) * 3, "not reproduced"),
        ((2.2652,) * 3, "not reproduced"),
        ((2.4, 2.7, 3.0), "reproduced"),  # a spread of 0.3 allows 0.69
        ((2.9, 3.2, 3.5), "not reproduced"),
        ((2.6,) * 12, "reproduced"),  # 2 * 0.08 * sqrt(13 / 12) = 0.1665
        ((2.62,) * 12, "not reproduced"),
    ],
)
def test_verdict(errors, verdict):
    assert paper.verdict(DAGGER, errors) == verdict


def test_tolerance_is_the_measured_spread_where_that_is_larger():
    assert paper.allowed(DAGGER, [1.0, 2.0]) is None
    assert paper.allowed(DAGGER, [1.0, 2.0, 3.0]) == pytest.approx(2 * math.sqrt(4 / 3))


def test_floors_are_those_of_the_data_set_and_the_measure():
    floors = {("CIFAR-10", "top-1"): (0.08, 10_000), ("CIFAR-100", "top-1"): (0.25, 10_000)}
    floors |= {("ImageNet", "top-1"): (0.15, 50_000), ("ImageNet", "top-5"): (0.1, 50_000)}
    for number in TRAINED:
        floor, images = floors[number["dataset"], number["measure"].removesuffix(" error")]
        binomial = 100 * math.sqrt(number["value"] / 100 * (1 - number["value"] / 100) / images)
        assert (number["tolerance"]["floor"], floor < binomial < 2.1 * floor) == (floor, True)  # as its `why` says
        assert f"binomial spread of {images:,} test images" in number["tolerance"]["why"]


def test_readings_are_three_trainings_of_what_was_published_and_five_searches():
    found = paper.cases(DAGGER, READINGS)
    assert found["published"] == [(*CASE, run) for run in range(3)]
    assert found["searched"] == [("cifar10-c38", "darts-20", "synflow-released", seed, 0) for seed in range(5)]
    unknown = paper.cases(FREEDARTS, READINGS)["published"]  # which of five genotypes it was, nobody knows
    assert unknown == [("cifar10", "darts-8", "published-synflow", seed, 0) for seed in range(5)]


def test_headline_is_the_last_epoch_not_a_planted_best_one():
    planted = {case: metrics | {"error_best": 2.45} for case, metrics in runs(2.9, 2.9, 2.9).items()}
    found = paper.reading(DAGGER, planted, paper.cases(DAGGER, READINGS)["published"])
    assert (found["mean"], found["verdict"], found["best_on_test"]) == (2.9, "not reproduced", [2.45] * 3)
    assert row(planted)["published"].mean == 2.9


def test_table_counts_published_genotypes_alone_for_its_verdict():
    assert row(runs(2.5))["verdict"] == "partial (1 of 3 runs)"
    assert (row(runs(2.5, 2.4, 2.5))["verdict"], row(runs(2.5, 2.4, 2.5))["n"]) == ("reproduced", 3)
    assert "searched" not in row(runs(2.5))
    ours = {("cifar10-c38", "darts-20", "synflow-released", 2, 0): METRICS | {"error_last": 3.0}}
    assert row(ours)["searched"].values == (3.0,)
    assert row(runs(2.5))["next"] == "`snakemake --config 'numbers=[cifar10/freedarts-dagger/published]'`"
    assert row(ours)["verdict"] == "not run"
    assert "cannot be trained" in row({}, "imagenet/freedarts-top1")["next"]


def test_table_in_the_papers_layout_has_each_figure_once(shared):
    facts = json.loads((shared / "facts" / "published.json").read_text())["published_table"]
    table = paper_table([paper.so_far(number, READINGS, runs(2.4, 2.5), {}, {}) for number in TRAINED])
    printed = {row["method"]: row for row in table.rows if row["errors"] == "paper"}
    assert list(printed) == ["FreeDARTS", "FreeDARTS†", "FreeDARTS‡", "FreeDARTS‡ (MobileNet space)"]
    for row, (cifar, imagenet) in zip(
        printed.values(), zip(facts["cifar_error"].values(), facts["imagenet_error_top1_top5"].values(), strict=True),
        strict=False,
    ):  # fmt: skip
        assert {data: row[f"{data} top-1"] for data in cifar} == cifar
        assert [row["ImageNet top-1"], row["ImageNet top-5"]] == imagenet
    _, cells = table.printed()
    here = cells[
        table.rows.index(next(row for row in table.rows if row["method"] == "FreeDARTS†" and row["errors"] == "here"))
    ]
    assert here == ["FreeDARTS†", "here", "2.45 ± 0.07", "–", "–", "–"]
    assert all(
        NUMBERS[number]["value"] == row[column]
        for row, links in zip(table.rows, table.links, strict=True)
        for column, number in links.items()
        if row["errors"] == "paper"
    )


def test_provenance_counts_what_was_made_with_the_same():
    made = {"device": "cpu", "versions": {"torch": "2", "python": "3", "freedarts": "1"}}
    table = provenance_table(
        {
            "searches": [made, made, made | {"device": "H100"}],
            "trainings": [made | {"commit": "abcdef0123456+"}, METRICS],
        }
    )
    assert [(row["results"], row["device"], row["torch"], row["commit"], row["n"]) for row in table.rows] == [
        ("searches", "cpu", "2", None, 2),
        ("searches", "H100", "2", None, 1),
        ("trainings", "cpu", "2", "abcdef0123+", 1),
        ("trainings", METRICS["device"], None, None, 1),
    ]


def test_top5_figures_take_top5_errors():
    number = NUMBERS["imagenet/freedarts-dagger-top5"]
    case = (*paper.cases(number, READINGS)["published"][0],)
    found = paper.reading(number, {case: METRICS | {"top5_error_last": 7.9, "error_last": 25.0}}, [case])
    assert (found["mean"], found["best_on_test"]) == (7.9, None)


@pytest.mark.parametrize(
    ("verdicts", "same", "text"),
    [
        ({}, 0, "not run"),
        ({1: "noise"}, 0, "not reproducible in principle: rounding noise in 1 of 1 searches"),
        ({1: "sound"}, 1, "reproduced"),
        ({1: "sound"}, 0, "not reproduced: 0 of 1 the same"),
    ],
)
def test_genotype_is_found_again_only_by_a_sound_search(verdicts, same, text):
    published = genotype.read(ROOT / "resources/genotypes/published-synflow/darts-20/seed1.json")
    other = genotype.read(ROOT / "resources/genotypes/published-synflow/darts-20/seed2.json")
    searches = {seed: {"audit": {"verdict": verdict}} for seed, verdict in verdicts.items()}
    ours, theirs = ("darts-20", "synflow-released"), ("darts-20", "published-synflow")
    genotypes = {ours: {1: published if same else other}, theirs: {1: published}}
    assert row({}, searches={ours: searches}, genotypes=genotypes)["genotype"] == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": 120}, "numbers.yaml: not valid\n  0.value: 120 is greater than"),
        ({"tolerance": {"floor": 0, "why": "so"}}, "0.tolerance.floor: 0 is less than or equal"),
        ({"tolerance": {"floor": 0.1}}, "0.tolerance: 'why' is a required"),
        ({"tolerance": {"at_most": 0.1, "why": "so"}}, "0.tolerance: 'floor' is a required"),
        ({"unit": "points"}, "0.unit: '%' was expected"),
        (
            {"reproduced_by": {**DAGGER["reproduced_by"], "lookup": "cifar10_test", "score": "snip"}},
            "0.reproduced_by: ",
        ),
        ({"reproduced_by": {**SNIP["reproduced_by"], "lookup": "digits_test"}}, "'digits_test' does not match"),
        ({"measure": "test accuracy"}, "0.measure: 'test accuracy' is not one of"),
        ({"reproduced_by": {**DAGGER["reproduced_by"], "score": "snip"}}, "0.reproduced_by"),
        (SNIP | {"measure": "top-1 error"}, "0.measure: 'top-1 error' is not one of"),
        (
            SNIP | {"dataset": "CIFAR-100"},
            "lookup 'cifar10_test' of CIFAR-100, test accuracy; expected 'cifar100_test'",
        ),
        (SNIP | {"measure": "validation accuracy"}, "validation accuracy; expected 'cifar10_valid'"),
        ({"note": "x"}, "'note' was unexpected"),
        ({"log": {"best": 2.0}}, "0.log: 'last' is a required property"),
        ({"reproduced_by": {"task": "cifar10"}}, "0.reproduced_by: 'supernet' is a required"),
        ({"id": FREEDARTS["id"]}, "two numbers have the id 'cifar10/freedarts'"),
    ],
)
def test_bad_numbers_are_named(tmp_path, change, message):
    path = tmp_path / "numbers.yaml"
    path.write_text(yaml.safe_dump([DAGGER | change, FREEDARTS]), encoding="utf-8")
    with pytest.raises(InputError, match=message.replace("(", "\\(")):
        paper.read(path, SCHEMA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "cifar100-c38"}, "is of cifar10, but the task 'cifar100-c38' of cifar100"),
        ({"task": "nothing"}, "unknown task 'nothing'"),
        ({"task": "imagenet-cost"}, "unknown task 'imagenet-cost'"),
        ({"supernet": "darts-30"}, "unknown supernet 'darts-30'"),
        ({"supernet": "nasbench201"}, "task 'cifar10-c38' trains the space darts, 'nasbench201' is of nasbench201"),
        ({"source": "published"}, "unknown source 'published'"),
        ({"seeds": [1, 77]}, "no seed 77 of published-synflow on darts-20; there are: [0, 1, 2, 3, 4]"),
    ],
)
def test_number_that_nothing_can_reproduce_is_named(config, change, message):
    catalogue = Catalogue(config, ROOT)
    assert not [fault for number in TRAINED for fault in checks.number_faults(catalogue, number["id"])]
    catalogue.numbers[DAGGER["id"]] = DAGGER | {"reproduced_by": DAGGER["reproduced_by"] | change}
    faults = list(checks.number_faults(catalogue, DAGGER["id"]))
    assert f"numbers: {DAGGER['id']}: {message}" in faults[0]


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [(92.2449, "reproduced"), (92.2351, "reproduced"), (92.25, "not reproduced"), (None, "not run; not looked up")],
)
def test_looked_up_number_is_reproduced_to_the_last_digit_or_not(mean, verdict):
    results = paper.looked_up(looked_up(mean) if mean else {})
    found = lookups_table([paper.so_far(SNIP, READINGS, results, {}, {})]).rows[0]
    assert (found["release"], found["verdict"], found["genotype"]) == (92.24, verdict, "not run")
    assert (found["looked up"], found["version"]) == ((Sample((mean,)), "v1_0") if mean else (None, None))


def test_another_version_of_the_benchmark_says_something_only_by_the_same_digits():
    case = paper.cases(SNIP, READINGS)["published"]
    for mean, verdict in ((92.2449, "reproduced"), (92.17, "needs the v1_0 file")):
        found = paper.reading(SNIP, paper.looked_up(looked_up(mean, "v1_1")), case)
        assert (found["values"], found["version"], found["verdict"]) == ([mean], "v1_1", verdict)
    both = paper.looked_up(looked_up(92.24, "v1_1"))
    both[case[0]] |= paper.looked_up(looked_up(92.17))[case[0]]
    found = paper.reading(SNIP, both, case)
    assert (found["values"], found["version"], found["verdict"]) == ([92.17], "v1_0", "not reproduced")


@pytest.fixture
def verdicts(script, tmp_path):
    """Of the release's numbers, with the version in which each is looked up."""

    def judge_all(*table: object) -> dict[str, tuple[str, str]]:
        found = {}
        for number in PRINTED:
            (case,) = paper.cases(number, READINGS)["published"]
            output = tmp_path / f"{case[1]}.json"
            write(tmp_path / "seed4.json", selected(number).to_json() | {"seed": 4})
            assert script("lookup_nasbench201", *table, "--output", output, "seed4.json") == (0, "")
            lookup = json.loads(output.read_text())
            lookup["seeds"] = {int(seed): accuracies for seed, accuracies in lookup["seeds"].items()}
            reading = paper.reading(number, paper.looked_up({case[:2]: lookup}), [case])
            found[number["id"].split("/")[1]] = reading["verdict"], reading["version"]
        return found

    return judge_all


def selected(number: dict) -> nasbench201.Genotype:
    """What the release's notebook selects, whose accuracy the number is."""
    by = number["reproduced_by"]
    return genotype.read(ROOT / "resources/genotypes" / by["source"] / by["supernet"] / "seed4.json")


def test_verdicts_of_the_release_s_numbers(verdicts):
    """By the accuracies that are part of the package: all but the validation accuracies that v1_0 alone has."""
    judged = verdicts()
    assert {name for name, found in judged.items() if found == ("needs the v1_0 file", "v1_1")} == PRINTED_ALONE
    same = {found for name, found in judged.items() if name not in PRINTED_ALONE}
    assert same == {("reproduced", "v1_0"), ("reproduced", "v1_1")}
    assert [name for name, found in judged.items() if found == ("reproduced", "v1_1")] == [
        f"synflow-{dataset}-valid" for dataset in ("cifar10", "cifar100", "imagenet16")
    ]


@pytest.mark.parametrize(("off", "verdict"), [(0, "reproduced"), (0.01, "not reproduced")])
def test_file_of_v1_0_judges_the_numbers_that_it_alone_has(off, verdict, verdicts, tmp_path):
    """Whose validation accuracies are those printed, up to *off*, and whose test accuracies tell the version."""
    there = packaged.accuracies("v1_0")
    contents = benchmark.contents(sorted({selected(number).index for number in PRINTED}), lambda index: 3)
    for number in PRINTED:
        index, column = selected(number).index, number["reproduced_by"]["lookup"]
        printed = number["value"] + (off if number["id"].split("/")[1] in PRINTED_ALONE else 0)
        mean = float(there[column][index]) if column in there else printed
        dataset, evaluation, _ = ACCURACIES[column]
        trials = contents["arch2infos"][index]["full"]["all_results"]
        for seed, difference in ((777, -0.5), (888, 0.2), (999, 0.3)):
            trials[dataset, seed]["eval_acc1es"][f"{evaluation}@199"] = mean + difference
    benchmark.write_legacy(tmp_path / "any.pth", contents)
    found = verdicts("--table", benchmark.convert(tmp_path / "any.pth", tmp_path)[1])
    assert len(found) == 18
    assert {name: (verdict if name in PRINTED_ALONE else "reproduced", "v1_0") for name in found} == found


def test_looked_up_number_without_its_figure_in_the_benchmark_has_no_value():
    case = paper.cases(SNIP, READINGS)["published"]
    assert paper.reading(SNIP, paper.looked_up(looked_up(None)), case)["verdict"] == "not run"


def test_every_figure_of_the_notebooks_is_a_number(shared):
    facts = json.loads((shared / "facts" / "published.json").read_text())["search_notebooks"]["nasbench201"]
    printed = {
        f"nasbench201/{method.lower()}-{column.replace('_', '-')}": facts[f"FreeDARTS_{method}_oneshot.ipynb"][column]
        for method in ("SynFlow", "SNIP", "GraSP")
        for column in list(ACCURACIES)[:6]
    }
    assert {name: number["value"] for name, number in NUMBERS.items() if paper.is_lookup(number)} == printed


def test_notebooks_figure_belongs_to_the_genotype_that_is_looked_up():
    indices = {"notebook-synflow": 1651, "notebook-snip": 6818, "notebook-grasp": 10400}
    for number in PRINTED:
        ((supernet, source, seed),) = paper.cases(number, READINGS)["published"]
        assert genotype.read(ROOT / f"resources/genotypes/{source}/{supernet}/seed{seed}.json").index == indices[source]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": "nothing"}, "unknown score 'nothing'"),
        ({"source": "nothing"}, "unknown source 'nothing'"),
        ({"source": "darts-v1"}, "source 'darts-v1' has no genotypes of 'nasbench201', but of: "),
        ({"seeds": [0, 4]}, "no seed 0 of notebook-snip on nasbench201; there are: [4]"),
        ({"supernet": "nothing"}, "unknown supernet 'nothing'"),
        ({"score": "snip-imagenet"}, "snip-imagenet on nasbench201: imagenet has images of 224 pixels"),
    ],
)
def test_number_that_cannot_be_looked_up_is_named(config, change, message):
    catalogue = Catalogue(config | {"nasbench201": {"file": "download"}}, ROOT)
    catalogue.numbers[SNIP["id"]] = SNIP | {"reproduced_by": SNIP["reproduced_by"] | change}
    assert f"numbers: {SNIP['id']}: {message}" in next(checks.number_faults(catalogue, SNIP["id"]))


def test_numbers_are_looked_up_without_a_benchmark_file(config):
    chosen = [name for name, number in NUMBERS.items() if paper.is_lookup(number)]
    catalogue = Catalogue(config | {"numbers": chosen}, ROOT)
    assert {path for name in chosen for path in catalogue.reading_results(name, "published")} == {
        f"results/nasbench201/nasbench201/notebook-{method}.json" for method in ("synflow", "snip", "grasp")
    }


def test_script_looks_one_number_up(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ((_, lookup),) = looked_up(92.24).items()
    write(tmp_path / "results/nasbench201/nasbench201/notebook-snip.json", lookup)
    write(tmp_path / "results/search/nasbench201/snip-released-cifar10/seed4/scores.json", SEARCH_RESULT)
    for source in ("snip-released-cifar10", "notebook-snip"):
        stored = (ROOT / "resources/genotypes/notebook-snip/nasbench201/seed4.json").read_text()
        write(tmp_path / f"results/genotypes/nasbench201/{source}/seed4.json", json.loads(stored))
    assert judge(script, SNIP["id"], "published") == (0, "")
    found = json.loads(Path("out.json").read_text())
    assert (found["genotype"], found["readings"]["published"]["verdict"]) == ("reproduced", "reproduced")
    assert (found["readings"]["published"]["n"], found["readings"]["published"]["tolerance"]) == (1, 0.005)


def test_script_writes_one_number(script, results_of_dagger):
    assert judge(script, DAGGER["id"], "published", "searched") == (0, "")
    found = json.loads((results_of_dagger / "out.json").read_text())
    assert (found["value"], found["log"], found["genotype"][:31]) == (
        2.45,
        DAGGER["log"],
        "not reproducible in principle: ",
    )
    assert found["verdict"] == "reproduced"
    assert (found["readings"]["published"]["n"], found["readings"]["published"]["verdict"]) == (3, "reproduced")
    assert list(found["readings"]) == ["published"]
    searched = json.loads(Path(f"results/numbers/{DAGGER['id']}/searched.json").read_text())
    assert (searched["n"], searched["verdict"]) == (5, "not reproduced")
    status, error = judge(script, "cifar10/none")
    assert status == 1
    assert "no number 'cifar10/none'; there are: cifar10/freedarts, " in error
    status, error = judge(script, DAGGER["id"], "random")
    assert status == 1
    assert f"{DAGGER['id']}: no reading 'random'; there are: published, searched" in error


@pytest.mark.workflow
def test_target_of_a_number_plans_what_that_number_needs_and_nothing_else(tmp_path):
    """Three trainings of the published genotype, and the search that should find it."""
    assert jobs_of(tmp_path, f"results/numbers/{DAGGER['id']}.json") == {
        **{"download": 1, "publish": 1, "search": 1, "derive": 1, "retrain": 3, "reading": 1, "number": 1}
    }


@pytest.mark.workflow
def test_paper_configuration_plans_all_numbers(tmp_path, config):
    jobs = jobs_of(tmp_path, "--configfile", ROOT / "config" / "paper.yaml")
    found = [paper.cases(number, config["readings"]).values() for number in TRAINED]
    wanted = {case for readings in found for cases in readings for case in cases}  # top-1 and top-5 share theirs
    assert (jobs["number"], jobs["retrain"]) == (14 + 18, len(wanted) + len(config["retrain"]))


@pytest.fixture
def results_of_dagger(tmp_path, monkeypatch):
    """The metrics, searches and genotypes of all its readings, by contract."""
    monkeypatch.chdir(tmp_path)
    cases = paper.cases(DAGGER, READINGS)
    for error, reading in ((2.5, "published"), (4.0, "searched")):
        for task, supernet, source, seed, run in cases[reading]:
            write(
                Path(f"results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/metrics.json"),
                METRICS | {"error_last": error},
            )
    noise = SEARCH_RESULT | {"audit": SEARCH_RESULT["audit"] | {"verdict": "noise"}}
    write(Path("results/search/darts-20/synflow-released/seed1/scores.json"), noise)
    stored = json.loads((ROOT / "resources/genotypes/published-synflow/darts-20/seed1.json").read_text())
    for source in ("synflow-released", "published-synflow"):
        write(Path(f"results/genotypes/darts-20/{source}/seed1.json"), stored)
    return tmp_path
