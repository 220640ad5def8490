"""Small stand-ins of every supernet against the plain way, and the ends of float32."""

import json

import pytest
import torch
import yaml

from benchmarks.plain import plain_score, plain_supernet
from freedarts import genotype, scores, search, spaces
from tests.support import ROOT

CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
SUPERNETS = tuple(CONFIG["supernets"])
LEAST = {"channels": 4, "cells": 3, "cells_per_stage": 1, "classes": 5}


def small(supernet: str) -> tuple[str, dict]:
    """Space and options of a supernet of the same kind with few cells and channels."""
    options = dict(CONFIG["supernets"][supernet])
    space = options.pop("space")
    options["image_size"] = 64 if options["image_size"] > 32 else 16
    return space, options | {key: value for key, value in LEAST.items() if key in options}


def setting(catalogue, supernet: str, name: str) -> tuple[str, dict, scores.Score]:
    found = json.loads(catalogue.search_settings(supernet, name))
    return found["supernet"].pop("space"), found["supernet"], scores.from_settings(found["score"])


@pytest.mark.parametrize("supernet", SUPERNETS)
def test_gates_have_a_row_per_edge_and_a_column_per_operation(supernet):
    space, options = small(supernet)
    module = spaces.load(space)
    shapes = {group: tuple(draws.shape) for group, draws in search.build(space, options, 0).gate_draws.items()}
    assert shapes == {group: (edges, len(module.OPERATIONS)) for group, edges in module.GATES.items()}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("supernet", SUPERNETS)
def test_supernet_equals_each_edge_by_itself(supernet, training):
    space, options = small(supernet)
    joined, plain = search.build(space, options, 7).double(), plain_supernet(space, options, 7).double()
    torch.manual_seed(0)
    images = torch.randn(2, *joined.image_shape, dtype=torch.float64)
    gates = {group: draws.double() for group, draws in joined.gate_draws.items()}
    for network in (joined, plain):
        network.train(training)
    torch.testing.assert_close(joined(images, gates), plain(images, gates), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("supernet", SUPERNETS)
def test_every_gate_counts_but_those_of_none(supernet):
    network = search.build(*small(supernet), 0).double().eval()
    gates = {group: draws.double().requires_grad_() for group, draws in network.gate_draws.items()}
    torch.manual_seed(0)
    network(torch.randn(1, *network.image_shape, dtype=torch.float64), gates)[0, 0].backward()
    nothing = [name == "none" for name in spaces.load(small(supernet)[0]).OPERATIONS]
    for gate in gates.values():
        assert torch.equal((gate.grad == 0).all(0), torch.tensor(nothing))
        assert gate.grad[:, ~torch.tensor(nothing)].all()


@pytest.mark.parametrize("supernet", SUPERNETS)
def test_supernet_is_a_function_of_the_seed(supernet):
    first, again, other = (search.build(*small(supernet), seed) for seed in (3, 3, 4))
    torch.testing.assert_close(first.state_dict(), again.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(first.gate_draws, again.gate_draws, rtol=0, atol=0)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    assert not any(torch.equal(first.gate_draws[group], other.gate_draws[group]) for group in first.gate_draws)


@pytest.mark.parametrize(
    ("supernet", "name"),
    [(supernet, "synflow") for supernet in SUPERNETS]
    + [(supernet, "synflow-released") for supernet in SUPERNETS if supernet != "mobilenet"],  # test_synflow_path
)
def test_scores_equal_the_plain_way_in_the_configured_setting(catalogue, supernet, name):
    space, options = small(supernet)
    _, _, score = setting(catalogue, supernet, name)
    objective, matrices = search.compute(search.build(space, options, 2), score, precision="float64")
    plain_objective, plain = plain_score(plain_supernet(space, options, 2), score, precision="float64")
    assert objective == pytest.approx(plain_objective, rel=1e-10)
    if (space, score.batch_norm) == ("darts", "train"):
        # The exact score is zero: what is left must be rounding error in both.
        assert max(matrix.max() for matrix in (*matrices.values(), *plain.values())) < 1e-9 * abs(objective)
        return
    for group, matrix in matrices.items():
        torch.testing.assert_close(matrix, plain[group], rtol=1e-9, atol=1e-12 * plain[group].max().item())
        assert matrix.max() > 1e-6 * abs(objective)


@pytest.mark.parametrize("supernet", ["darts-8", "nasbench201"])
def test_float32_cannot_hold_synflow(catalogue, supernet):
    """Reported as an overflow with the module, and no number of it is kept."""
    space, options, score = setting(catalogue, supernet, "synflow")
    single = scores.Score(
        score.proxy, score.batch_norm, score.gates, score.positive_gates, score.positive_weights, "float32"
    )
    result = search.search(space, options, single, 0)
    network = search.build(space, options, 0)
    assert result["audit"]["verdict"] == "overflow"
    assert result["audit"]["overflow"] in {*dict(network.named_modules()), "the gradients of the gates"}
    assert (result["scores"], result["objective"]) == (None, None)
    assert isinstance(genotype.derive(result, "here"), genotype.Refused)


def test_first_overflow_is_named_before_what_follows_from_it(catalogue):
    space, options = small("nasbench201")
    network = search.build(space, options, 0)
    score = scores.Score("synflow", "identity", "ones", True, True, "float32")
    with search.watched(network, score) as found:
        search.compute(network, score)
    assert found == []
    with torch.no_grad():
        network.cells[2].graph.from_0.nor_conv_3x3[1].weight.fill_(3e38)
    with search.watched(network, score) as found:
        search.compute(network, score)
    assert len(found) == 1
    assert found[0].startswith("cells.2.graph.from_0.nor_conv_3x3")
    assert not any(module._forward_hooks for module in network.modules())
