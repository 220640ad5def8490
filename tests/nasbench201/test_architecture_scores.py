"""Scores of whole architectures: equal to the plain way, resumable."""

import json
import math
import random
import signal
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.plain import plain_synflow
from freedarts import costs
from freedarts.architectures import scores, synflow
from freedarts.nasbench201 import SIZE
from freedarts.spaces.nasbench201 import Genotype, from_index
from freedarts.spaces.nasbench201.networks import GatedNetwork, Network
from tests.support import ROOT, Script, assert_refused, options, write

SMALL = {"channels": 4, "cells_per_stage": 1, "image_size": 8, "classes": 10}
FULL = {"channels": 16, "cells_per_stage": 5, "image_size": 32, "classes": 10}
FISHER, DIGITS = ROOT / "examples" / "fisher.py", {"dataset": "digits", "batch_size": 8}
SYNFLOW = {"proxy": "synflow", "network": SMALL}
# No path; a convolution behind nothing; two that lead nowhere; ways that are the same; all operations at once.
ODD = [
    ("nor_conv_3x3",) * 3 + ("none",) * 3,
    ("none", "skip_connect", "nor_conv_3x3", "nor_conv_1x1", "nor_conv_3x3", "none"),
    ("nor_conv_1x1", "nor_conv_3x3", "nor_conv_3x3", "avg_pool_3x3", "none", "none"),
    ("skip_connect", "none", "skip_connect", "none", "nor_conv_3x3", "nor_conv_3x3"),
    ("nor_conv_3x3", "avg_pool_3x3", "skip_connect", "nor_conv_1x1", "none", "nor_conv_3x3"),
    ("nor_conv_3x3",) * 6,
]


def assert_plain(indices: list[int], seed: int, options: dict) -> None:
    found = dict(synflow.scores(indices, seed, options))
    assert sorted(found) == sorted(indices)
    for index in indices:
        assert found[index] == pytest.approx(plain_synflow(index, seed, options), rel=1e-12, abs=0)


def test_synflow_is_the_sum_over_the_weights_of_the_network_built_alone():
    odd = [Genotype(operations).index for operations in ODD]
    assert dict(synflow.scores(odd[:1], 3, SMALL)) == {odd[0]: 0.0}
    assert_plain(sorted({*odd, *scores.sample(120, 3)}), 3, SMALL)


def test_synflow_of_the_benchmark_s_own_size():
    assert_plain([*scores.sample(4, 1), Genotype(ODD[-1]).index], 1, FULL)


def test_cells_that_share_a_score_are_the_same_function():
    """Every group of one draw of weights: the groups that `function` makes, against the networks' outputs."""
    names = ("nor_conv_3x3", "nor_conv_1x1")
    found: dict[tuple, list[int]] = {}
    for index in range(SIZE):
        genotype = from_index(index)
        if synflow.convolutions(genotype) == names:
            found.setdefault(synflow.function(synflow.live_edges(genotype)), []).append(index)
    assert sum(map(len, found.values())) == 15 * 3**4
    shared = [random.Random(0).choice(group) for group in found.values() if len(group) > 1]
    assert len(shared) > 50
    assert_plain(shared[:40], 0, SMALL)


def test_a_score_that_left_the_range_is_no_number():
    assert scores.finite({4: math.inf, 7: math.nan, 9: 2.0}) == [None, None, 2.0]


def test_counts_are_those_of_the_network():
    indices = [Genotype(operations).index for operations in ODD[:3]] + scores.sample(2, 0)
    for figure in ("parameters", "flops"):
        found = dict(scores.counts(indices, figure, SMALL))
        assert found == {index: costs.costs(from_index(index), SMALL)[figure] for index in indices}
        assert {type(value) for value in found.values()} == {int}


def test_snip_and_grasp_are_the_sums_over_the_weights():
    """In float64, the Hessian by differences too small to cross a kink of a ReLU. A convolution leads nowhere."""
    torch.manual_seed(0)
    network = Network(Genotype(ODD[2]), 2, 1, 8, 3).double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats, module.running_mean, module.running_var = False, None, None
    images, labels = torch.randn(3, 3, 8, 8, dtype=torch.float64), torch.tensor([0, 2, 1])
    names = [name for name, parameter in network.named_parameters() if parameter.dim() > 1]
    weights = [network.get_parameter(name) for name in names]
    flat = torch.cat([weight.detach().flatten() for weight in weights])

    def loss(vector):
        parts = vector.split([weight.numel() for weight in weights])
        shaped = {name: part.view_as(w) for name, part, w in zip(names, parts, weights, strict=True)}
        return F.cross_entropy(torch.func.functional_call(network, shaped, images)[0], labels)

    slope = torch.func.grad(loss)
    gradient = slope(flat)
    curved = (slope(flat + 1e-8 * gradient) - slope(flat - 1e-8 * gradient)) / 2e-8
    assert scores.snip(network, weights, images, labels) == pytest.approx((flat * gradient).abs().sum().item())
    expected = -(flat @ curved).item()
    assert abs(expected) > 1e-3
    assert scores.grasp(network, weights, images, labels) == pytest.approx(expected, rel=1e-5)


def test_a_larger_sample_contains_the_smaller_one():
    assert set(scores.sample(20, 5)) < set(scores.sample(21, 5))
    assert scores.sample(20, 5) != scores.sample(20, 6)
    assert scores.sample(SIZE, 1) == list(range(SIZE))


def score(script, settings: dict = SYNFLOW, **changes) -> tuple[int, str]:
    given = {"--score": "s", "--architectures": 12, "--seed": 0, "--output": "out/s.json", **changes}
    return script("score_architectures", "--settings", json.dumps(settings), *options(given))


@pytest.mark.long
def test_a_killed_job_goes_on_with_what_it_has(tmp_path):
    given = {"--score": "synflow", "--architectures": 3000, "--seed": 1, "--output": tmp_path / "out.json"}
    given |= {"--settings": json.dumps({**SYNFLOW, "network": FULL}), "--checkpoints": tmp_path / "checkpoints"}
    done = []
    for stop, status in ((signal.SIGKILL, -9), (signal.SIGTERM, 75)):
        process = Script("score_architectures", *options(given))
        deadline = time.monotonic() + 60
        while len(files := sorted(tmp_path.glob("checkpoints/*/step*.pt"))) <= len(done):
            assert time.monotonic() < deadline
            assert process.returncode is None
            time.sleep(0.05)
        process.send_signal(stop)
        process.communicate()
        assert process.returncode == status
        assert not (tmp_path / "out.json").exists()
        done.append(int(sorted(tmp_path.glob("checkpoints/*/step*.pt"))[-1].stem.removeprefix("step")))
    assert 0 < done[0] < done[1] < 3000
    assert len(files) == 2


def test_saved_scores_are_not_computed_again(script, monkeypatch, tmp_path):
    whole = dict(synflow.scores(scores.sample(12, 0), 0, SMALL))
    monkeypatch.setattr(scores, "SAVED_EVERY", 0)

    def dies_after_five(settings, indices, seed, folder):
        for count, pair in enumerate(synflow.scores(indices, seed, settings["network"])):
            if count == 5:
                raise MemoryError
            asked.append(pair[0])
            yield pair

    asked: list[int] = []
    monkeypatch.setattr(scores, "compute", dies_after_five)
    for _ in range(2):
        with pytest.raises(MemoryError):
            score(script)
    assert score(script)[0] == 0
    assert sorted(asked) == sorted(whole)
    found = json.loads((tmp_path / "out" / "s.json").read_text())
    assert dict(zip(found["architectures"], found["scores"], strict=True)) == whole


def test_scores_on_a_batch_of_digits(script, tmp_path):
    network = {**SMALL, "image_size": 32}
    for proxy in ("snip", "grasp"):
        settings = {"proxy": proxy, "network": network, "data": {"dataset": "digits", "batch_size": 8}}
        assert score(script, settings, **{"--output": f"out/{proxy}.json"})[0] == 0
        found = json.loads((tmp_path / "out" / f"{proxy}.json").read_text())
        dead = [not synflow.live_edges(from_index(index)) for index in found["architectures"]]
        assert [value == 0 for value in found["scores"]] == dead
        assert len(set(found["scores"])) > 8


OWN = """
import torch

def score(network, gates, images, labels=None, *, factor=1.0):
    total = network.classifier.weight.sum()
    return total, {"cell": torch.full_like(gates["cell"], factor * total.item())}
"""


def test_own_score_of_gates_is_summed_over_the_operations(script, tmp_path):
    write(tmp_path / "own.py", OWN)
    settings = SYNFLOW | {"proxy": "own.py", "options": {"factor": 2.0}}
    assert score(script, settings, **{"--architectures": 150})[0] == 0
    found = json.loads((tmp_path / "out" / "s.json").read_text())
    values = dict(zip(found["architectures"], found["scores"], strict=True))
    dead = {index for index in values if not synflow.live_edges(from_index(index))}
    assert dead == {index for index, value in values.items() if value == 0} != set()
    for index in sorted(set(values) - dead)[:5]:
        torch.manual_seed(0)
        weight = Network(from_index(index), **SMALL).classifier.weight.sum().item()
        count = sum(name != "none" for name in from_index(index).operations)
        assert values[index] == pytest.approx(2.0 * count * weight)


def test_gates_of_one_leave_the_network_as_it_is():
    torch.manual_seed(0)
    plain = Network(Genotype(ODD[4]), **SMALL).eval()
    gated = GatedNetwork(Genotype(ODD[4]), **SMALL).eval()
    gated.load_state_dict(plain.state_dict())
    images, gates = torch.randn(2, 3, 8, 8), {name: draws.clone() for name, draws in gated.gate_draws.items()}
    assert torch.equal(gated(images, gates), plain(images)[0])
    gates["cell"][0] = 0
    assert not torch.equal(gated(images, gates), plain(images)[0])


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        ({"proxy": "magic"}, {}, "proxy: 'magic'; allowed: parameters, flops, synflow, snip, grasp, or the path of"),
        ({"proxy": "none.py"}, {}, "none.py: No such file or directory, expected a Python file"),
        ({"proxy": str(FISHER)}, {}, "no key 'data', which the proxy"),
        ({"proxy": str(FISHER), "data": DIGITS, "options": {"a": 1}}, {}, "a 1 with the proxy"),
        ({"options": {}}, {}, "options: with the proxy 'synflow', which has none"),
        ({"proxy": "snip"}, {}, "'data' is a required property"),
        ({"data": {"dataset": "digits", "batch_size": 8}}, {}, "data: with the proxy 'synflow', which takes none"),
        ({"network": {**SMALL, "image_size": 30}}, {}, "image_size: 30; allowed: multiples of 4"),
        (
            {"proxy": "snip", "data": {"dataset": "digits", "batch_size": 8}},
            {},
            "network.image_size: 8, but the data set digits has 32",
        ),
        ({}, {"--architectures": 20000}, "20000 architectures; allowed: 1 to 15625"),
        ({}, {"--seed": -1}, "seed -1; allowed: 0 to"),
    ],
)
def test_bad_input_is_one_message(script, settings, changes, message):
    assert_refused(score(script, SYNFLOW | settings, **changes), message)
