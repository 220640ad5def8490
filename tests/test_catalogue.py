"""The configuration: one message with all faults, settings that only change with their meaning."""

import copy
import json
import math
import re
from pathlib import Path

import pytest

from freedarts import scores
from freedarts.files import InputError
from freedarts.study import paths
from freedarts.study.catalogue import Catalogue
from freedarts.study.settings import merged, overlaid
from tests.support import ROOT


@pytest.mark.parametrize(
    "path", sorted({*ROOT.glob("config/*.yaml")} - {ROOT / "config/schema.yaml"}), ids=lambda p: p.stem
)
def test_configurations_that_come_with_the_project_are_valid(path):
    catalogue = Catalogue(overlaid(ROOT, [path]), ROOT)
    named = path.stem not in ("config", "paper")
    assert catalogue.own == (f"results/{path.stem}/" if named else "results/")


def build(config: dict) -> Catalogue:
    return Catalogue(config, ROOT)


@pytest.mark.parametrize(
    ("overlay", "messages"),
    [
        ({"batchsize": 3}, ["'batchsize' was unexpected", "allowed: supernets, scores, architecture_scores"]),
        ({"tasks": {"digits": {"protocol": {"epochz": 1}}}}, ["tasks.digits.protocol", "'epochz'", "allowed: epochs"]),
        ({"tasks": {"digits": {"protocol": {"epochs": "8"}}}}, ["tasks.digits.protocol.epochs", "'8'", "integer"]),
        ({"tasks": {"digits": {"network": {"cells_per_stage": 1}}}}, ["tasks.digits.network", "'cells_per_stage'"]),
        ({"tasks": {"digits": {"dataset": "letters"}}}, ["tasks.digits.dataset: 'letters'; allowed: digits, cifar10"]),
        ({"sources": {"darts-v1": {"seeds": [-1]}}}, ["sources.darts-v1.seeds.0", "-1 is less than"]),
        ({"sources": {"darts-v1": {"seeds": [0, 1]}}}, ["sources.darts-v1", "no file", "darts-8/seed1.json"]),
        (
            {"search": [{"supernets": ["darts-9"], "scores": ["magic"], "seeds": 1}]},
            ["search[0]: unknown supernet 'darts-9'; known: darts-8", "search[0]: unknown score 'magic'"],
        ),
        (
            {"costs": [{"tasks": ["cifar10"], "supernets": ["darts-20"], "sources": ["published-snip"]}]},
            ["costs[0]: source 'published-snip' has no genotypes of 'darts-20'", "darts-8"],
        ),
        (
            {"costs": [{"tasks": ["cifar10"], "supernets": ["nasbench201"], "sources": ["synflow"]}]},
            ["costs[0]: task 'cifar10' trains the space darts, 'nasbench201' is of nasbench201"],
        ),
        (
            {"search": [], "costs": [{"tasks": ["cifar10"], "supernets": ["darts-8"], "sources": ["synflow"]}]},
            ["costs[0]: score 'synflow' on 'darts-8' is not selected under search"],
        ),
        (
            {"retrain": [{"task": "digits", "supernet": "darts-8", "source": "darts-v1", "seeds": [4], "runs": 1}]},
            ["retrain[0]: no seed 4 of darts-v1 on darts-8; there are: [0]"],
        ),
        (
            {"scores": {"synflow": {"overrides": {"darts-9": {}}}}},
            ["scores.synflow.overrides: unknown supernet 'darts-9'"],
        ),
        (
            {"scores": {"synflow": {"settings": {"gate_scale": 0.1}}}},
            ["scores.synflow on darts-8", "gate_scale 0.1 with gates 'ones'"],
        ),
        ({"nasbench201": {"path": "x"}}, ["nasbench201", "'path' was unexpected", "allowed: file"]),
        (
            {"nasbench201": {"file": "x.pth"}},
            ["nasbench201.file: no file or folder 'x.pth'; allowed: a path, `download`"],
        ),
        ({"nasbench201": {"file": 3}}, ["nasbench201.file: 3 is not of type"]),
        ({"numbers": ["cifar10/none"]}, ["numbers: unknown number 'cifar10/none'; known: cifar10/freedarts, "]),
        ({"readings": {"searched": {"source": "random"}}}, ["readings.searched: unknown score 'random'"]),
        ({"readings": {"random": {"source": "none"}}}, ["readings.random: unknown source 'none'"]),
        (
            {"search": [{"supernets": ["darts-imagenet"], "scores": ["snip-digits"], "seeds": 1}]},
            [
                "search[0]: snip-digits on darts-imagenet: digits has images of 32 pixels in 10 classes, "
                "the supernet is for 224 pixels and 1000 classes"
            ],
        ),
        (
            {"scores": {"snip-digits": {"settings": {"data": {"batch_size": 2000}}}}},
            ["scores.snip-digits on darts-8", "a batch of 2000 images of digits; allowed: 1 to 1437"],
        ),
        (
            {"scores": {"snip-digits": {"settings": {"data": {"dataset": "mnist"}}}}},
            ["scores.snip-digits on darts-8", "data of 'mnist'; allowed: digits, cifar10"],
        ),
        (
            {"architecture_scores": {"snip-digits": {"network": {"classes": 7}}}},
            ["architecture_scores.snip-digits.network.classes: 7, but the data set digits has 10"],
        ),
        (
            {"correlation": [{"scores": ["magic"], "architectures": 9, "seeds": 1}]},
            ["correlation[0]: unknown architecture score 'magic'; known: parameters, flops"],
        ),
        (
            {"correlation": [{"scores": ["flops"], "architectures": 15626, "seeds": 1}]},
            ["correlation.0.architectures: 15626 is greater than the maximum of 15625"],
        ),
        ({"name": "search"}, ["name: 'search' is a folder of results/ already; allowed: any but benchmarks, costs"]),
        ({"name": "Mine"}, ["name: 'Mine' does not match"]),
        ({"scores": {"darts-v1": {"settings": {}}}}, ["scores.darts-v1.settings", "'proxy' is a required"]),
        ({"tasks": {"digits": {"protocol": {"epochs": 8.0}}}}, ["protocol.epochs: 8.0 is not of type 'integer'"]),
        ({"tasks": {"digits": {"protocol": {"learning_rate": math.nan}}}}, ["nan is not of type 'number'"]),
        (
            {"scores": {"synflow-released": {"settings": {"gate_scale": math.inf}}}},
            ["scores.synflow-released.settings.gate_scale: inf is not of type 'number'"],
        ),
        (
            {"tasks": {"digits": {"protocol": {"batch_size": 718}}}},
            ["tasks.digits.batch_size: the last batch would hold one image"],
        ),
        ({"tasks": {"digits": {"precision": "bf16"}}}, ["tasks.digits.precision: bf16, but gpus: 0; it needs a GPU"]),
        (
            {"tasks": {"digits": {"gpus": 2, "share": 2}}},
            ["tasks.digits.share: 2, but gpus: 2; trainings have one GPU together"],
        ),
        (
            {"tasks": {"cifar10": {"network": {"classes": 100}}}},
            ["tasks.cifar10.network.classes: 100, but the data set cifar10 has 10"],
        ),
        (
            {"tasks": {"cifar10": {"network": {"stem_kind": "imagenet"}}}},
            ["tasks.cifar10.image_size: 32 with the stem 'imagenet', with auxiliary head; allowed: 224 to 256"],
        ),
        (
            {"supernets": {"darts-8": {"image_size": 30}}},
            ["supernets.darts-8.image_size: 30 with the stem 'cifar'; allowed: multiples of 4"],
        ),
    ],
)
def test_faults_name_place_value_and_what_is_allowed(config, overlay, messages):
    with pytest.raises(InputError) as caught:
        build(merged(config, overlay))
    for message in messages:
        assert message in str(caught.value)


def test_whole_numbers_are_numbers(config):
    config["scores"]["synflow-released"]["settings"]["gate_scale"] = 1
    found = json.loads(build(config).search_settings("darts-8", "synflow-released"))
    assert scores.from_settings(found["score"]).gate_scale == 1


def test_task_without_protocol_is_not_trained(config):
    task = {key: config["tasks"]["cifar10"][key] for key in ("space", "network")}
    config["tasks"]["only-costs"] = task
    config["retrain"] = [{"task": "only-costs", "supernet": "darts-8", "source": "darts-v1", "runs": 1}]
    with pytest.raises(InputError, match="retrain\\[0\\]: task 'only-costs' has no protocol to train with"):
        build(config)


def test_all_faults_come_in_one_message(config):
    overlay = {"search": [{"supernets": ["x"], "scores": ["y"], "seeds": 1}], "costs": [], "retrain": []}
    with pytest.raises(InputError) as caught:
        build(merged(config, overlay))
    assert len(str(caught.value).splitlines()) == 3


def test_settings_do_not_depend_on_the_order_of_keys(config, catalogue):
    turned = copy.deepcopy(config)
    turned["scores"] = {
        name: {"settings": dict(reversed(score["settings"].items())), "overrides": score.get("overrides", {})}
        for name, score in reversed(config["scores"].items())
    }
    other = build(turned)
    for supernet in config["supernets"]:
        assert other.search_settings(supernet, "synflow") == catalogue.search_settings(supernet, "synflow")


def test_overrides_hold_on_their_supernet_alone(catalogue):
    scale = {
        supernet: json.loads(catalogue.search_settings(supernet, "synflow-released"))["score"]["gate_scale"]
        for supernet in ("darts-8", "darts-20", "darts-imagenet")
    }
    assert scale == {"darts-8": 1e-3, "darts-20": 1e-3, "darts-imagenet": 5e-4}


def test_a_name_has_a_folder_of_its_own(config, catalogue):
    assert catalogue.own == "results/"
    assert Catalogue({**config, "name": "mine"}, ROOT).own == "results/mine/"


def test_no_folder_of_results_is_free_for_a_name():
    patterns = [value for value in vars(paths).values() if isinstance(value, str) and value.startswith("results/")]
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
    folders = {pattern.split("/")[1] for pattern in patterns} | set(re.findall(r"results/([a-z0-9]+)/", rules))
    assert folders == set(paths.FOLDERS)


def test_quick_selection(catalogue):
    assert sum(len(seeds) for *_, seeds in catalogue.searches()) == 61
    assert len(catalogue.trainings()) == 4
    assert len(catalogue.costs()) == len(set(catalogue.costs())) == 31
    assert sum(len(seeds) for *_, seeds in catalogue.sources()) == 109


def test_optional_search_waits_for_its_images(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case = ("mobilenet", "synflow-released")
    catalogue = Catalogue(config, ROOT)
    assert catalogue.left_out() == [(*case, "data/imagenet")]
    assert case not in {search[:2] for search in catalogue.searches()}
    with pytest.raises(InputError, match="optional under search, and there is no data/imagenet"):
        catalogue.seeds(*case)
    Path("data/imagenet").mkdir(parents=True)
    assert catalogue.left_out() == []
    assert (*case, [0, 1, 2, 3, 4]) in catalogue.searches()


def test_search_that_is_also_selected_without_optional_is_not_left_out(config):
    config["search"].append({"supernets": ["mobilenet"], "scores": ["synflow-released"], "seeds": 1})
    assert Catalogue(config, ROOT).left_out() == []


def test_optional_search_on_data_that_come_with_the_packages_is_not_left_out(config):
    config["search"] = [{"supernets": ["darts-8"], "scores": ["snip-digits-b8"], "seeds": 1, "optional": True}]
    config["costs"], config["retrain"] = [], []
    assert Catalogue(config, ROOT).searches() == [("darts-8", "snip-digits-b8", [0])]


def test_options_of_an_override_are_laid_over_those_of_the_score(config):
    entry = config["scores"]["grasp-released-digits"]
    entry["overrides"] = {"darts-20": {"options": {"sign": "negative"}}}
    options = build(config).score("darts-20", "grasp-released-digits")["options"]
    assert options == entry["settings"]["options"] | {"sign": "negative"}
    assert "product" not in build(config).score("mobilenet", "synflow-released")["options"]  # of another proxy


def test_home_and_variables_are_filled_in_where_a_path_is_none_as_it_stands(config, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SPACES", str(ROOT / "examples"))
    monkeypatch.chdir(tmp_path)
    for name in ("home.pth", "$HOME.py"):
        (tmp_path / name).touch()
    (tmp_path / "$HOME.py").write_bytes((ROOT / "examples" / "chain.py").read_bytes())
    chain = {"channels": 8, "image_size": 32, "classes": 10}
    config["nasbench201"]["file"] = "~/home.pth"
    config["supernets"] |= {
        "chain": chain | {"space": "${SPACES}/chain.py"},
        "dollar": chain | {"space": "$HOME.py"},  # a file of this name
    }
    catalogue = build(config)
    assert catalogue.benchmark_file() == str(tmp_path / "home.pth")
    spaces = [catalogue.config["supernets"][name]["space"] for name in ("chain", "dollar", "darts-8")]
    assert spaces == [str(ROOT / "examples" / "chain.py"), "$HOME.py", "darts"]
    config["nasbench201"]["file"] = "$NOWHERE/a.pth"
    with pytest.raises(InputError, match=r"nasbench201.file: no file or folder '\$NOWHERE/a.pth'"):
        build(config)
