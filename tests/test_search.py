"""Searches: the release's objectives, the audit's verdicts, SynFlow itself."""

import copy
import dataclasses
import json
import math

import pytest
import torch
from torch import nn

from benchmarks.plain import plain_score, plain_supernet
from freedarts import genotype, scores, search, spaces
from freedarts.files import InputError
from tests.support import ROOT, SMALL, fingerprint, small_batch

OVERFLOWING = {
    "proxy": "synflow",
    "batch_norm": "train",
    "gates": "ones",
    "positive_gates": True,
    "positive_weights": True,
    "precision": "float32",
}


def settings(catalogue, supernet: str, score: str) -> tuple[str, dict, scores.Score]:
    found = json.loads(catalogue.search_settings(supernet, score))
    return found["supernet"].pop("space"), found["supernet"], scores.from_settings(found["score"])


@pytest.mark.parametrize(
    ("supernet", "objective"),
    [("darts-8", 0.252612), ("darts-20", 0.406462), ("darts-imagenet", 17.658371), ("nasbench201", 10.7902)],
)
def test_released_objective_of_seed_0(catalogue, supernet, objective):
    space, options, score = settings(catalogue, supernet, "synflow-released")
    network = search.build(space, options, 0)
    found, _ = search.compute(network, score)
    assert found == pytest.approx(objective, abs=0.6e-6 if space == "darts" else 5e-5)
    if space == "darts":
        assert found == pytest.approx(network.classifier.bias.abs().sum().item(), rel=1e-6)


def test_released_search_on_nasbench201(catalogue):
    result = search.search(*settings(catalogue, "nasbench201", "synflow-released"), 0)
    assert result["audit"]["verdict"] == "sound"
    found = genotype.derive(result, "here")
    operations = ("3x3", "3x3", "3x3", "1x1", "3x3", "3x3")
    assert found.operations == tuple(f"nor_conv_{size}" for size in operations)


def test_result_is_sound_and_valid_json(catalogue):
    """The verdicts on the other supernets are asserted of the quick run."""
    result = search.search(*settings(catalogue, "nasbench201", "synflow"), 1)
    assert result["audit"]["verdict"] == "sound"
    json.dumps(result, allow_nan=False)


def test_finite_zeros_of_an_overflow_never_become_a_genotype(catalogue):
    space, options, _ = settings(catalogue, "nasbench201", "synflow")
    score = scores.from_settings(OVERFLOWING)
    _, matrices = search.compute(search.build(space, options, 0), score)
    assert not matrices["cell"].any()  # what the release's rule would take for six `none`
    result = search.search(space, options, score, 0)
    assert result["audit"]["verdict"] == "overflow"
    assert result["audit"]["overflow"] in dict(search.build(space, options, 0).named_modules())
    assert result["scores"] is None
    refused = genotype.derive(result, "here")
    assert refused == genotype.Refused(space, f"overflow in {result['audit']['overflow']}")


@pytest.mark.parametrize(
    ("image", "overflow"),
    [
        (1e17, []),  # squares and their sum are finite
        (1.5e19, []),  # the sum of squares is not, the variance is
        (1e20, ["norm"]),
        (1e39, ["conv"]),
        (math.nan, ["conv"]),
    ],
)
def test_first_module_with_an_infinite_output_or_variance_is_named(image, overflow):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate_draws = {}
            self.conv, self.norm = nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1)
            nn.init.ones_(self.conv.weight)

        def forward(self, images, gates):
            return self.norm(self.conv(images))

    image = image * torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    network, score = Network(), scores.from_settings(OVERFLOWING)
    with search.watched(network, score) as found, search.prepared(network, score, image, "float32") as (images, gates):
        network(images, gates)
    assert found == overflow


@pytest.mark.parametrize(("proxy", "found"), [("synflow", []), ("examples/fisher.py", ["norm"])])
def test_of_the_users_own_scores_every_pass_is_watched(proxy, found, monkeypatch):
    """Copies of the network, which have its hooks, too."""
    monkeypatch.chdir(ROOT)
    network = nn.Sequential()
    network.norm = nn.BatchNorm2d(1)
    score = dataclasses.replace(
        scores.from_settings(OVERFLOWING), proxy=proxy, data={"dataset": "digits", "batch_size": 2}
    )
    with search.watched(network, score) as names:
        network(torch.zeros(2, 1, 3, 3))
        for each in (network, copy.deepcopy(network)):
            each(torch.full((2, 1, 3, 3), math.inf))
    assert names == found
    assert not network._forward_hooks
    assert not network.norm._forward_hooks


@pytest.mark.long
@pytest.mark.parametrize("space", SMALL)
@pytest.mark.parametrize(
    "name",
    ["synflow", "synflow-released", "snip-digits", "snip-released-digits", "grasp-digits", "grasp-released-digits"],
)
def test_scoring_repeats_bit_for_bit_and_leaves_all_as_it_was(config, space, name):
    score = scores.from_settings(config["scores"][name]["settings"])
    network = search.build(space, SMALL[space], 0)
    batch = search.ones(network) if score.data is None else small_batch(space)
    before, state, training = fingerprint(network), torch.get_rng_state(), network.training
    first, second = (search.compute(network, score, batch) for _ in range(2))
    search.audit(network, score, batch, 0, first[1], space)
    assert first[0] == second[0]
    assert all(torch.equal(first[1][group], second[1][group]) for group in first[1])
    for (was, required, gradient), (now, requires, left) in zip(before, fingerprint(network), strict=True):
        assert was.dtype == now.dtype
        assert torch.equal(was, now)
        assert (required, gradient) == (requires, left)
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training == training


@pytest.mark.parametrize("space", SMALL)
@pytest.mark.parametrize("batch_norm", ["identity", "eval", "train"])
def test_scores_equal_the_plain_way(space, batch_norm):
    score = scores.Score("synflow", batch_norm, "normal", False, True, "float64", 0.5)
    objective, matrices = search.compute(search.build(space, SMALL[space], 2), score)
    plain_objective, plain = plain_score(plain_supernet(space, SMALL[space], 2), score)
    assert objective == pytest.approx(plain_objective, rel=1e-9)
    if (space, batch_norm) != ("darts", "train"):  # there both are the rounding error of zero
        largest = max(matrix.max() for matrix in plain.values())
        for group, matrix in matrices.items():
            torch.testing.assert_close(matrix, plain[group], rtol=1e-9, atol=1e-9 * largest.item())


@pytest.mark.parametrize("space", SMALL)
def test_score_is_the_gate_times_the_slope(space):
    """Against central differences; the objective is a polynomial of the gates."""
    score = scores.Score("synflow", "identity", "normal", True, True, "float64", 0.1, "relu")
    network = search.build(space, SMALL[space], 3)
    _, matrices = search.compute(network, score)
    group = next(iter(matrices))
    with search.prepared(network, score, search.ones(network)[0], "float64") as (images, gates), torch.no_grad():
        for edge, operation in ((0, 2), (3, 3), (5, 4)):
            gate = gates[group][edge, operation].item()
            step = 1e-5 * gate
            objectives = []
            for value in (gate + step, gate - step, gate):
                gates[group][edge, operation] = value
                objectives.append(network(images, gates).sum().item())
            slope = (objectives[0] - objectives[1]) / (2 * step)
            assert matrices[group][edge, operation].item() == pytest.approx(abs(gate * slope), rel=1e-6)


def test_all_zero_scores_are_noise():
    """Gates so small that their effect is lost: nothing overflows, nothing is ranked."""
    score = scores.Score("synflow", "identity", "normal", True, True, "float32", 1e-30)
    result = search.search("darts", SMALL["darts"], score, 0)
    assert result["audit"]["verdict"] == "noise"
    assert spaces.load("darts").derive(result["scores"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 1}, "unknown key 'batch'; known: activation, batch_norm"),
        ({"proxy": "magic"}, "proxy 'magic'; allowed: grasp, snip, synflow, synflow_path, or the path"),
        ({"precision": "float16"}, "precision 'float16'; allowed: float32, float64"),
        ({"gate_scale": 0.1}, "gate_scale 0.1 with gates 'ones'"),
        ({"gates": "normal"}, "gate_scale None with gates 'normal'"),
    ],
)
def test_bad_settings_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        scores.from_settings(OVERFLOWING | changes)


def test_missing_setting_and_negative_seed_are_named():
    with pytest.raises(InputError, match="no key 'proxy'"):
        scores.from_settings({key: value for key, value in OVERFLOWING.items() if key != "proxy"})
    with pytest.raises(InputError, match="seed -1; allowed: 0 to 4294967295"):
        search.build("darts", SMALL["darts"], -1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": 8}, "darts: options 8; allowed: a mapping"),
        ({"options": {"channels": 8}}, "darts: image_size: no such key"),
        ({"options": SMALL["darts"] | {"chanels": 8}}, "darts: chanels: unknown key; .* did you mean 'channels'"),
        ({"options": SMALL["darts"] | {"cells": "5"}}, "darts: cells: '5'; allowed: int"),
        ({"score": "synflow"}, r"score 'synflow'; allowed: a Score, such as Score.preset\('synflow'\)"),
        ({"seed": "0"}, "seed '0'; allowed: 0 to"),
        ({"device": "cpu"}, "device 'cpu'; allowed: device"),
        ({"manifest": "digits.json"}, "manifest 'digits.json'; allowed: .*Path"),
    ],
)
def test_bad_arguments_of_the_library_are_input_errors(changes, message):
    given = {"space": "darts", "options": SMALL["darts"], "score": scores.Score.preset("synflow"), "seed": 0}
    with pytest.raises(InputError, match=message):
        search.search(**given | changes)


@pytest.mark.parametrize("name", scores.PRESETS)
def test_presets_are_the_scores_of_the_configuration(config, name):
    """Those that take a batch stand there once for each data set."""
    entry = config["scores"].get(name) or config["scores"][f"{name}-digits"]
    data = {"data": entry["settings"]["data"]} if "data" in entry["settings"] else {}
    assert scores.Score.preset(name, **data) == scores.from_settings(entry["settings"])


def test_unknown_preset_or_key_of_a_score_is_named():
    with pytest.raises(InputError, match=r"preset 'synflw'; allowed: synflow, .*; did you mean 'synflow'"):
        scores.Score.preset("synflw")
    with pytest.raises(InputError, match=r"unknown key 'precison'; known: .*; did you mean 'precision'"):
        scores.Score.preset("synflow", precison="float32")
