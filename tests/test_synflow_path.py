"""SynFlow with ProxylessNAS's gates: against its formulas written out, on images of a folder, its bad input."""

import math

import pytest
import torch

from benchmarks.plain import plain_supernet
from freedarts import scores, search, tasks
from freedarts.files import InputError
from freedarts.spaces.mobilenet.networks import Supernet
from tests.test_imagefolder import folder  # noqa: F401
from tests.test_networks import SMALL
from tests.test_scores import batch

OPTIONS = {"channels": 4, "image_size": 224, "classes": 1000}
FLOPS = {"weight": 0.2, "reference": 4.75e8, "exponent": 0.3}
SETTINGS = {
    "proxy": "synflow_path",
    "batch_norm": "train",
    "gates": "normal",
    "gate_scale": 0.5,
    "positive_gates": False,
    "positive_weights": False,
    "precision": "float64",
    "data": {"dataset": "imagenet", "batch_size": 4, "part": "test"},
    "options": {"step": {"learning_rate": 1e-3, "weight_decay": 0.0}, "flops": FLOPS},
}


def test_multiply_adds_are_those_that_the_release_prints():
    with torch.device("meta"):
        fixed, candidates = Supernet(40, 224, 1000).multiply_adds()
    assert fixed + sum(row[0] for row in candidates) == 460_908_960
    expected = fixed + sum(sum(row) / len(row) for row in candidates)
    assert expected == pytest.approx(721_306_432, rel=1e-5)  # logged, with the first gates instead of uniform ones


def test_score_is_the_formula_written_out():
    """One candidate's factor after the other, in a network that keeps its whole graph."""
    score = scores.from_settings(SETTINGS)
    network = search.build("mobilenet", SMALL["mobilenet"], 3)
    images, labels = batch("mobilenet")
    objective, found = search.compute(network, score, (images, labels))

    plain = plain_supernet("mobilenet", SMALL["mobilenet"], 3).double().train()
    fixed, products = plain.multiply_adds()
    alphas = 0.5 * network.gate_draws["blocks"].double()
    probabilities = alphas.softmax(-1)
    drawn = []
    for row, u in zip(probabilities.tolist(), network.path_draws.tolist(), strict=True):
        below = [sum(row[: i + 1]) < u for i in range(len(row))]
        drawn.append(below.index(False))
    assert len(set(drawn)) > 2
    factors = torch.zeros_like(alphas)
    factors[torch.arange(len(drawn)), drawn] = 1
    factors.requires_grad_()
    total = plain(images.double(), {"blocks": factors}).sum()
    total.backward()

    expected = fixed + sum(p * n for row, counts in zip(probabilities.tolist(), products, strict=True)
                           for p, n in zip(row, counts, strict=True))  # fmt: skip
    log_reference = math.log(FLOPS["reference"])
    size = (math.log(expected) / log_reference) ** 0.3
    assert objective == pytest.approx(0.2 * total.item() * size, rel=1e-10)
    for block, p in enumerate(probabilities.tolist()):
        for i in range(len(p)):
            slope = size * sum(factors.grad[block, j].item() * p[j] * ((i == j) - p[i]) for j in range(len(p)))
            growth = sum(products[block][j] * p[j] * ((i == j) - p[i]) for j in range(len(p)))
            slope += total.item() * 0.3 * size / math.log(expected) * growth / expected
            slope *= 0.2
            after = alphas[block, i].item() - 1e-3 * slope / (abs(slope) + 1e-8)
            assert found["blocks"][block, i].item() == pytest.approx(abs(after * slope), rel=1e-9)


def test_search_on_images_of_a_folder(folder):  # noqa: F811
    found = search.search(
        "mobilenet", OPTIONS, scores.from_settings(SETTINGS | {"precision": "float32"}), 1, manifest=folder
    )
    assert found["audit"]["verdict"] in ("sound", "noise")
    assert (len(found["scores"]["blocks"]), found["proxy"]) == (21, "synflow_path")
    state = torch.get_rng_state()
    images, labels = tasks.batch("imagenet", 10, 1, folder, "test")
    assert torch.equal(torch.get_rng_state(), state)
    assert sorted(labels.tolist()) == sorted([*range(5)] * 2)
    assert images.shape == (10, 3, 224, 224)
    assert not torch.equal(tasks.batch("imagenet", 4, 1, folder)[0], tasks.batch("imagenet", 4, 2, folder)[0])


def test_bad_input_is_named(folder):  # noqa: F811
    score = scores.from_settings(SETTINGS)
    with pytest.raises(InputError, match="val: has 10 images, 11 are needed"):
        tasks.batch("imagenet", 11, 0, folder, "test")
    with pytest.raises(InputError, match="--data: the manifest of imagenet is needed"):
        search.search("mobilenet", OPTIONS, score, 1)
    with pytest.raises(InputError, match="is for the space mobilenet, the supernet is of darts"):
        search.search("darts", SMALL["darts"], score, 1)
    with pytest.raises(InputError, match="no option 'flops', which the proxy 'synflow_path' needs"):
        scores.from_settings(SETTINGS | {"options": {"step": SETTINGS["options"]["step"]}})
    with pytest.raises(InputError, match=r"flops has \['weight'\], expected \['exponent', 'reference', 'weight'\]"):
        scores.from_settings(SETTINGS | {"options": SETTINGS["options"] | {"flops": {"weight": 1.0}}})
