"""SNIP and GraSP: against finite differences, explicit Hessians and the plain way; the batch they see."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.plain import plain_score, plain_supernet
from freedarts import plugins, scores, search, spaces, tasks
from freedarts.files import InputError
from freedarts.layers import gated
from freedarts.layers.frozen import frozen
from freedarts.scores import grasp
from freedarts.search import contract
from freedarts.spaces.nasbench201 import EDGES
from tests.support import GRASP, SMALL, SNIP, small_batch

STEP = {"learning_rate": 0.03, "weight_decay": 1e-3}


def grasp_with(**options) -> dict:
    return GRASP | {"options": GRASP["options"] | options}


def flat(matrices: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([matrix.flatten() for matrix in matrices.values()])


def assert_close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    largest = flat(expected).abs().max().item()
    assert largest > 0
    torch.testing.assert_close(flat(found), flat(expected), rtol=0, atol=1e-10 * largest)


@pytest.mark.parametrize("space", SMALL)
@pytest.mark.parametrize("batch_norm", ["identity", "eval", "train"])
@pytest.mark.parametrize("settings", [SNIP, GRASP, SNIP | {"proxy": "synflow"}], ids=lambda s: s["proxy"])
def test_recomputed_scores_equal_the_plain_way(space, batch_norm, settings):
    positive = settings["proxy"] == "snip" and space != "mobilenet"  # there ReLU6 would stop every gradient
    score = scores.from_settings(settings | {"batch_norm": batch_norm, "positive_weights": positive})
    objective, matrices = search.compute(search.build(space, SMALL[space], 2), score, small_batch(space))
    plain_objective, plain = plain_score(plain_supernet(space, SMALL[space], 2), score, small_batch(space))
    assert objective == pytest.approx(plain_objective, rel=1e-10)
    if (settings["proxy"], space, batch_norm) != ("synflow", "darts", "train"):  # there both are rounding errors
        assert_close(matrices, plain)


@pytest.mark.parametrize("space", SMALL)
def test_snip_is_the_gate_times_the_slope_of_the_loss(space):
    """Against central differences; a larger step would cross kinks of ReLU6."""
    network, score = search.build(space, SMALL[space], 3), scores.from_settings(SNIP)
    images, labels = small_batch(space)
    _, matrices = search.compute(network, score, (images, labels))
    group = next(iter(matrices))
    with search.prepared(network, score, images, "float64") as (images, gates), torch.no_grad():
        for edge, operation in ((0, 2), (3, 3), (5, 4)):
            gate, losses = gates[group][edge, operation].item(), []
            for value in (gate + 1e-8, gate - 1e-8, gate):
                gates[group][edge, operation] = value
                losses.append(F.cross_entropy(network(images, gates), labels).item())
            slope = (losses[0] - losses[1]) / 2e-8
            assert matrices[group][edge, operation].item() == pytest.approx(abs(gate * slope), rel=1e-5)


def plain_loss(space: str, weights=lambda tensor: tensor):
    """The gates, flattened, and the loss as a function of them, on the plain supernet."""
    network = plain_supernet(space, SMALL[space], 2).double()
    for tensor in network.state_dict().values():
        tensor.copy_(weights(tensor))
    images, labels = small_batch(space)
    gates = {group: (0.3 * draws).double() for group, draws in network.gate_draws.items()}

    def loss(vector: torch.Tensor) -> torch.Tensor:
        parts = vector.split([gate.numel() for gate in gates.values()])
        shaped = {group: part.view_as(gates[group]) for group, part in zip(gates, parts, strict=True)}
        return F.cross_entropy(network(images.double(), shaped), labels)

    return flat(gates), loss


def slopes(function, vector: torch.Tensor) -> torch.Tensor:
    return torch.autograd.functional.jacobian(function, vector, create_graph=vector.requires_grad)


def test_grasp_is_minus_gate_times_hessian_times_gradient():
    gate, loss = plain_loss("nasbench201")
    hessian = torch.autograd.functional.hessian(loss, gate)
    expected = -gate * (hessian @ slopes(loss, gate))
    network = search.build("nasbench201", SMALL["nasbench201"], 2)
    _, found = search.compute(network, scores.from_settings(GRASP), small_batch("nasbench201"))
    torch.testing.assert_close(flat(found), expected, rtol=0, atol=1e-10 * expected.abs().max().item())
    assert (expected < 0).any()
    assert (expected > 0).any()


def adam(gate: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """PyTorch's Adam with the release's betas, one step."""
    parameter = nn.Parameter(gate.clone())
    parameter.grad = gradient
    torch.optim.Adam([parameter], lr=STEP["learning_rate"], betas=(0.5, 0.999), weight_decay=1e-3).step()
    return parameter.detach()


def assert_released(space: str, settings: dict, gate: torch.Tensor, moved: torch.Tensor, product, finish) -> None:
    """Scores against finish(gate * d product(gate') / d gate'), gate' being *moved*."""
    moved = moved.requires_grad_()
    (slope,) = torch.autograd.grad(product(moved), moved)
    expected = finish(gate * slope)
    network = search.build(space, SMALL[space], 2)
    _, found = search.compute(network, scores.from_settings(settings), small_batch(space))
    torch.testing.assert_close(flat(found), expected, rtol=0, atol=1e-9 * expected.abs().max().item())


def test_released_grasp_on_nasbench201():
    """P = sum over edges e and operations k of g'[e, k] * g[0, k]."""
    gate, loss = plain_loss("nasbench201")
    before = slopes(loss, gate)

    def product(moved: torch.Tensor) -> torch.Tensor:
        after = slopes(loss, moved).view(6, 5)
        return sum((after[edge] * before.view(6, 5)[0]).sum() for edge in range(6))

    settings = grasp_with(product="first-row", sign="positive", step=STEP)
    assert_released("nasbench201", settings, gate, adam(gate, before), product, lambda x: x)


def test_released_grasp_on_the_darts_space():
    """P = sum of g' * gate', with positive weights; the absolute value."""
    gate, loss = plain_loss("darts", torch.abs)
    settings = grasp_with(product="gates", sign="absolute", step=STEP) | {"positive_weights": True}
    moved = adam(gate, slopes(loss, gate))
    assert_released("darts", settings, gate, moved, lambda moved: (slopes(loss, moved) * moved).sum(), torch.abs)


def test_adam_step_is_pytorchs():
    torch.manual_seed(0)
    gate, gradient = 1e-3 * torch.randn(4, 5).double(), torch.randn(4, 5).double()
    torch.testing.assert_close(
        grasp.adam_step(gate, gradient, **STEP).detach(), adam(gate, gradient), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("norm", ["train", "eval"])
@pytest.mark.parametrize("layer", [nn.ReLU(), nn.ReLU6(), nn.MaxPool2d(3, 2, 1), nn.Linear(7, 3), "norm"], ids=str)
def test_layers_carry_tangents(layer, norm, affine):
    """Against PyTorch's own derivative along a direction, and the gradient of that."""
    torch.manual_seed(0)
    if layer == "norm":
        layer = nn.BatchNorm2d(4, affine=affine).train(norm == "train")
        layer.running_var.uniform_(0.5, 2)
        layer.running_mean.uniform_()
        for parameter in layer.parameters():
            nn.init.uniform_(parameter)
    layer.double()
    value, tangent, weight, slope = (4 * torch.randn(3, 4, 7, 7).double() for _ in range(4))
    value, tangent = value.requires_grad_(), tangent.requires_grad_()
    expected = torch.func.jvp(lambda x: torch.func.functional_call(layer, state(layer), x), (value,), (tangent,))
    weight, slope = (x.flatten()[: expected[0].numel()].view_as(expected[0]) for x in (weight, slope))
    out = torch.func.functional_call(layer, state(layer), value)
    (pulled,) = torch.autograd.grad((slope * out).sum(), value, create_graph=True)
    gradients = torch.autograd.grad((weight * out).sum() + (pulled * tangent).sum(), (value, tangent))
    with frozen(layer, norm, lambda tensor: tensor, batch=len(value)):
        found = layer.forward(torch.cat([value, tangent])).chunk(2)
        out = (weight * found[0]).sum() + (slope * found[1]).sum()
        torch.testing.assert_close(found, tuple(expected), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(torch.autograd.grad(out, (value, tangent)), gradients, rtol=1e-10, atol=1e-10)


def state(layer: nn.Module) -> dict[str, torch.Tensor]:
    """Copies, which a training-mode call may change."""
    return {name: tensor.clone() for name, tensor in layer.state_dict().items()}


def test_gated_sum_keeps_its_input_alone():
    """The same values and gradients as the sum that keeps everything, for gates of one edge too."""
    torch.manual_seed(0)
    operations = [
        nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)).double() for _ in range(3)
    ]
    x, gates = torch.randn(5, 4, 6, 6).double().requires_grad_(), torch.randn(1, 3).double().requires_grad_()
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        found = gated.gated_sum(x, operations, gates, 4)
    assert {tensor.data_ptr() for tensor in saved} == {x.data_ptr(), gates.data_ptr()}
    expected = sum(gate * operation(x) for gate, operation in zip(gates[0], operations, strict=True)).unsqueeze(1)
    torch.testing.assert_close(found, expected)
    outer = torch.randn_like(found)
    for a, b in zip(*(torch.autograd.grad((y * outer).sum(), (x, gates)) for y in (found, expected)), strict=True):
        torch.testing.assert_close(a, b)


def test_gated_sum_takes_an_operation_that_does_not_see_its_input():
    class Ones(nn.Module):
        def forward(self, x):
            return torch.ones_like(x)

    x, gates = torch.randn(2, 4, 3, 3).requires_grad_(), torch.randn(1, 2).requires_grad_()
    found = gated.gated_sum(x, [nn.Identity(), Ones()], gates, 4)
    expected = (gates[0, 0] * x + gates[0, 1]).unsqueeze(1)
    for a, b in zip(*(torch.autograd.grad((y**2).sum(), (x, gates)) for y in (found, expected)), strict=True):
        torch.testing.assert_close(a, b)


def test_synflow_flows_through_every_cell_alike(config):
    """Conservation (Tanaka et al., 2020): in a network without biases that is positive and homogeneous, the scores of
    gates that every path crosses equally often sum to that number times the objective."""
    score = scores.from_settings(config["scores"]["synflow"]["settings"])
    network = search.build("nasbench201", SMALL["nasbench201"], 0)
    nn.init.zeros_(network.classifier.bias)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.zeros_(module.bias)
    objective, matrices = search.compute(network, score)
    cell = matrices["cell"]
    assert objective > 0
    for node in range(4):
        flows = [cell[[edge[end] == node for edge in EDGES]].sum().item() for end in (0, 1)]
        # All of it leaves each cell's input and enters its last node; what enters another node leaves it.
        whole = 3 * SMALL["nasbench201"]["cells_per_stage"] * objective
        expected = {0: (whole, 0), 3: (0, whole)}.get(node, (flows[1], flows[1]))
        assert flows == pytest.approx(expected, rel=1e-12)


def test_batch_comes_from_its_seed_alone():
    torch.manual_seed(7)
    state = torch.get_rng_state()
    images, labels = tasks.batch("digits", 8, 3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(8)
    again, _ = tasks.batch("digits", 8, 3)
    other, _ = tasks.batch("digits", 8, 4)
    assert torch.equal(images, again)
    assert not torch.equal(images, other)
    data = tasks.load("digits")
    found = [(data.train_images == image).flatten(1).all(1).nonzero().tolist() for image in images]
    assert [data.train_labels[index[0][0]] for index in found] == labels.tolist()
    assert len({index[0][0] for index in found}) == 8
    facts = tasks.DATASETS["digits"]
    assert len(data.train_labels) == facts.sampled_images
    assert (data.classes, data.train_images.shape[-1]) == (facts.classes, facts.image_size)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (SNIP | {"data": None}, "no key 'data', which the proxy 'snip' needs"),
        (
            SNIP | {"data": {"dataset": "mnist", "batch_size": 8}},
            "'mnist'; allowed: digits, cifar10, cifar100, imagenet",
        ),
        (
            SNIP | {"data": {"dataset": "digits", "batch_size": 8, "part": "val"}},
            "the part 'val' of digits; allowed: train, test",
        ),
        (
            SNIP | {"data": {"dataset": "digits", "batch_size": 361, "part": "test"}},
            "batch of 361 images of digits; allowed: 1 to 360",
        ),
        (
            SNIP | {"data": {"dataset": "digits", "batch_size": 1438}},
            "batch of 1438 images of digits; allowed: 1 to 1437",
        ),
        (SNIP | {"data": {"dataset": "digits", "batch_size": 0}}, "batch of 0 images"),
        (SNIP | {"data": {"dataset": "digits"}}, "data has \\['dataset'\\], expected"),
        (SNIP | {"options": {"sign": "negative"}}, "sign 'negative' with the proxy 'snip', which has none"),
        (GRASP | {"options": {"sign": "negative"}}, "no option 'product', which the proxy 'grasp' needs"),
        (grasp_with(sign="odd"), "sign 'odd'; allowed: negative, positive, absolute"),
        (grasp_with(step={"learning_rate": 0.1}), "step has \\['learning_rate'\\], expected"),
        (grasp_with(step=STEP | {"learning_rate": 0}), "step.learning_rate 0; allowed: a number > 0"),
        (grasp_with(step=STEP | {"weight_decay": math.nan}), "step.weight_decay nan; allowed: a number >= 0"),
        (grasp_with(step=STEP | {"weight_decay": True}), "step.weight_decay True; allowed"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        scores.from_settings(settings)


def test_batch_that_does_not_fit_is_named(monkeypatch):
    score = scores.from_settings(SNIP)
    with pytest.raises(InputError, match=r"digits has .* 32 pixels .*, the supernet .* 16 pixels"):
        search.search("darts", SMALL["darts"], score, 0)
    network = search.build("darts", SMALL["darts"], 0)
    with pytest.raises(InputError, match="digits: images of shape \\(3, 32, 32\\), the supernet takes \\(3, 16, 16\\)"):
        search.draw(network, score, 5, 0, "darts")
    network.image_shape = (3, 32, 32)
    monkeypatch.setattr(tasks, "batch", lambda **_: (torch.zeros(2, 3, 32, 32), torch.tensor([4, 5])))
    with pytest.raises(InputError, match="digits: label 5; allowed in a supernet of 5 classes: 0 to 4"):
        search.draw(network, score, 5, 0, "darts")


@pytest.mark.parametrize("space", SMALL)
@pytest.mark.parametrize("proxy", plugins.known("scores"))
def test_every_score_of_the_package_keeps_to_the_contract(config, proxy, space):
    """With the first settings of the configuration that name it; a new file is tested with SNIP's."""
    entries = [
        entry["settings"] | override
        for entry in config["scores"].values()
        for override in ({}, *entry.get("overrides", {}).values())
    ]
    settings = next((entry for entry in entries if entry.get("proxy") == proxy), SNIP | {"proxy": proxy})
    score = scores.from_settings(settings | {"precision": "float64"})
    try:
        score.check_supernet(space, **SMALL[space])
    except InputError:
        pytest.skip(f"{proxy} is not for {space}")
    network = search.build(space, SMALL[space], 1)
    images, labels = small_batch(space)
    given = (images, labels) if score.data else search.ones(network)
    with search.prepared(network, score, given[0], "float64") as (images, gates):
        with contract.unchanged(proxy, network, gates):
            found = score.module().score(network, gates, images, given[1], **score.arguments)
        contract.check_scores(proxy, found, gates)
        again = score.module().score(network, gates, images, given[1], **score.arguments)
    contract.check_finite(proxy, found[1], spaces.load(space).OPERATIONS)
    assert torch.equal(found[0], again[0])
    assert all(torch.equal(matrix, again[1][group]) for group, matrix in found[1].items())
    spaces.derive(spaces.load(space), {group: matrix.tolist() for group, matrix in found[1].items()})


@pytest.mark.parametrize("supernet", ["darts-8", "darts-20", "darts-imagenet", "nasbench201", "mobilenet"])
def test_every_configured_score_fits_its_supernets(catalogue, supernet):
    imagenet = supernet in ("darts-imagenet", "mobilenet")
    for name in catalogue.config["scores"]:
        score = scores.from_settings(catalogue.score(supernet, name))
        proxy = "synflow_path" if (supernet, name) == ("mobilenet", "synflow-released") else name.split("-")[0]
        assert score.proxy == proxy
        if proxy in ("snip", "grasp"):
            assert score.data["dataset"] in name
            assert score.data["batch_size"] == (8 if name.endswith("-b8") else 64)
        if score.data and (score.data["dataset"] == "imagenet") != imagenet:
            with pytest.raises(InputError, match=f"{name} on {supernet}: {score.data['dataset']} has images of"):
                catalogue.search_settings(supernet, name)
        else:
            catalogue.search_settings(supernet, name)
