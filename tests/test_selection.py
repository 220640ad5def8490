"""What the catalogue gives to jobs, and configurations that it refuses."""

import copy
import json
import random

import pytest

from freedarts.files import InputError
from freedarts.study.catalogue import Catalogue
from tests.support import ROOT


def build(config: dict) -> Catalogue:
    return Catalogue(config, ROOT)


def turned(value: object, draw: random.Random) -> object:
    """The same value with the keys of all objects in another order."""
    if isinstance(value, dict):
        items = [(key, turned(inner, draw)) for key, inner in value.items()]
        draw.shuffle(items)
        return dict(items)
    return [turned(inner, draw) for inner in value] if isinstance(value, list) else value


def all_settings(catalogue: Catalogue) -> dict[str, str]:
    config = catalogue.config
    found = {f"{n} {s}": catalogue.search_settings(n, s) for n, s, _ in catalogue.searches()}
    for name, task in config["tasks"].items():
        keys = ("space", "dataset", "network", "protocol")
        found[name] = catalogue.task_settings(name, keys if "protocol" in task else keys[::2])
    return found


def test_settings_are_sorted_and_do_not_depend_on_the_order_of_any_key(config, catalogue):
    other = build(turned(copy.deepcopy(config), random.Random(0)))
    assert list(other.config["supernets"]) != list(config["supernets"])
    assert all_settings(other) == all_settings(catalogue)
    for text in all_settings(catalogue).values():
        assert text == json.dumps(json.loads(text), sort_keys=True)


def test_settings_hold_no_other_job_s_part(config, catalogue):
    before = all_settings(catalogue)
    config["supernets"]["darts-8"]["cells"] = 9
    config["tasks"]["digits"]["gpus"] = 1
    config["tasks"]["cifar10"]["protocol"] = config["tasks"]["cifar10"]["protocol"] | {"epochs": 1}
    after = all_settings(build(config))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {*(name for name in before if name.startswith("darts-8 ")), "cifar10"}


def test_seeds_of_a_score_are_the_most_that_is_selected(config):
    config["search"] = [
        {"supernets": ["darts-8", "nasbench201"], "scores": ["synflow"], "seeds": 2},
        {"supernets": ["darts-8"], "scores": ["synflow"], "seeds": 4},
    ]
    config["costs"], config["retrain"] = [], []
    catalogue = build(config)
    assert catalogue.searches() == [("darts-8", "synflow", [0, 1, 2, 3]), ("nasbench201", "synflow", [0, 1])]
    assert catalogue.seeds("darts-8", "synflow") == [0, 1, 2, 3]
    with pytest.raises(InputError, match="score 'synflow' on 'darts-20' is not selected under search"):
        catalogue.seeds("darts-20", "synflow")
    with pytest.raises(InputError, match="score 'synflow-released' on 'darts-8' is not selected under search"):
        catalogue.seeds("darts-8", "synflow-released")


def test_resources_are_those_that_a_source_declares(catalogue):
    path = catalogue.resource("darts-20", "published-synflow", 3)
    assert path.exists()
    assert path.parts[-3:] == ("published-synflow", "darts-20", "seed3.json")
    with pytest.raises(
        InputError, match=r"no seed 5 of 'published-synflow' on 'darts-20'; there are: \[0, 1, 2, 3, 4\]"
    ):
        catalogue.resource("darts-20", "published-synflow", 5)
    with pytest.raises(InputError, match="source 'published-snip' has no genotypes of 'darts-20', but of: darts-8"):
        catalogue.resource("darts-20", "published-snip", 0)


def test_task_without_a_protocol_has_no_settings_to_train_with(config):
    config["tasks"]["only-costs"] = {key: config["tasks"]["cifar10"][key] for key in ("space", "network")}
    with pytest.raises(InputError, match="task 'only-costs' cannot be trained: it has no dataset"):
        build(config).task_settings("only-costs", ("space", "dataset", "network", "protocol"))


def test_trainings_are_every_seed_and_run_once(config):
    entry = {"task": "digits", "supernet": "darts-8", "source": "published-synflow"}
    config["retrain"] = [entry | {"seeds": [1], "runs": 1}, entry | {"runs": 2}]
    trainings = build(config).trainings()
    assert len(trainings) == len(set(trainings)) == 10
    assert {(seed, run) for *_, seed, run in trainings} == {(seed, run) for seed in range(5) for run in range(2)}


PLACES = ["supernets.darts-8", "scores.synflow", "scores.synflow.settings", "sources.darts-v1", "tasks.digits"]
PLACES += ["tasks.digits.protocol", "tasks.digits.network", "search.0", "costs.0", "retrain.0"]


@pytest.mark.parametrize("place", PLACES)
def test_every_object_of_the_configuration_is_closed(config, place):
    config = target = json.loads(json.dumps(config))  # YAML shares what an alias repeats
    for part in place.split("."):
        target = target[int(part) if part.isdigit() else part]
    target["misspelt"] = 1
    with pytest.raises(InputError) as caught:
        build(config)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(f"  {place}: ")
    assert "'misspelt' was unexpected); allowed: " in lines[1]


@pytest.mark.parametrize("name", ["Upper", "with space", "under_score", "a/b", "-a", ""])
@pytest.mark.parametrize("kind", ["supernets", "scores", "sources", "tasks"])
def test_names_are_fit_for_paths(config, kind, name):
    config[kind][name] = next(iter(config[kind].values()))
    with pytest.raises(InputError, match=f"{kind}: '{name}' does not match"):
        build(config)


@pytest.mark.parametrize("key", ["supernets", "scores", "sources", "tasks", "search", "costs", "retrain"])
def test_every_part_is_required_and_of_its_type(config, key):
    for value in (None, "text", 5):
        with pytest.raises(InputError, match=f"  {key}: .* is not of type '(object|array)'"):
            build(config | {key: value})
    del config[key]
    with pytest.raises(InputError, match=f"top level: '{key}' is a required property"):
        build(config)


def test_score_with_the_name_of_a_source_is_refused(config):
    config["sources"]["synflow"] = {"supernets": ["darts-8"], "seeds": [0]}
    with pytest.raises(InputError, match=r"sources\.synflow: a score has this name"):
        build(config)


@pytest.mark.parametrize(
    ("change", "meant"),
    [
        (lambda config: config["retrain"][0].update(source="publishd-synflow"), "published-synflow"),
        (lambda config: config["numbers"].append("cifar10/freedarts-dager"), "cifar10/freedarts-dagger"),
        (lambda config: config["tasks"]["digits"]["protocol"].update(epoch=1), "epochs"),
        (lambda config: config["tasks"]["cifar10"]["protocol"].update(schedule="cosin"), "cosine"),
        (lambda config: config["scores"]["synflow"]["settings"].update(proxy="synflo"), "synflow"),
        (lambda config: config["tasks"]["digits"].update(dataset="digit"), "digits"),
    ],
)
def test_misspelt_key_or_name_offers_the_nearest(config, change, meant):
    change(config)
    with pytest.raises(InputError) as caught:
        build(config)
    assert str(caught.value).splitlines()[1].endswith(f"; did you mean {meant!r}?")
