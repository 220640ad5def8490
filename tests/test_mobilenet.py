"""The MobileNet space: the release's sizes and multiply-adds, initialisation, SynFlow, omitted blocks."""

import copy
import json

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from freedarts import genotype, scores, search
from freedarts.costs import costs
from freedarts.files import InputError
from freedarts.jobs.environment import Engine
from freedarts.spaces import mobilenet as space
from freedarts.spaces.mobilenet.networks import Network, Supernet
from freedarts.training.retrain import Run, retrain
from tests.support import ROOT, SMALL, TINY_TASK

OPTIONS = {"channels": 40, "image_size": 224, "classes": 1000}
LOGGED = genotype.read(ROOT / "resources/genotypes/published-mobilenet/mobilenet/seed0.json")
# What retrain.sh of the release lists; the second one is LOGGED.
LISTED = {
    "-1 3 1 3 3 1 3 2 1 3 2 1 3 3 1 2 1 3 -1 3 1": (6901296, 742114712),
    "0 2 0 4 2 3 3 4 4 3 4 4 3 3 5 1 0 4 3 0 2": (6261360, 659996984),
    "5 4 0 1 2 5 3 0 0 3 0 4 4 0 4 2 4 5 4 0 1": (6423720, 671521784),
    "0 2 0 4 2 3 -1 4 4 3 4 4 -1 3 5 1 0 4 3 0 2": (5994736, 589004216),
}
SYNFLOW = scores.Score("synflow", "identity", "normal", True, True, "float64", 0.1, "relu")


def of_ids(ids) -> space.Genotype:
    return space.parse({"operations": list(ids)}, "here")


def replaced(ids: list[int], omitted: dict[int, int]) -> space.Genotype:
    return of_ids(omitted.get(block, identifier) for block, identifier in enumerate(ids))


def small(seed: int = 0) -> Supernet:
    return search.build("mobilenet", SMALL["mobilenet"], seed)


def test_supernet_has_the_printed_multiply_adds():
    """The release counts convolutions and the linear layer without its bias."""
    with torch.device("meta"):
        supernet = Supernet(**OPTIONS)
    counts = {}
    for name, module in supernet.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(
                lambda module, _, out, name=name: counts.update({name: out.numel() * module.weight[0].numel()})
            )
    supernet(torch.empty(1, 3, 224, 224, device="meta"), {"blocks": torch.empty(21, 6, device="meta")})
    candidates = torch.zeros(21, 6, dtype=torch.long)
    for name, count in counts.items():
        if name.startswith("blocks."):
            _, block, _, operation, _ = name.split(".")
            candidates[int(block), int(operation)] += count
    fixed = sum(counts.values()) - candidates.sum().item()
    assert fixed + candidates[:, 0].sum() == fixed + candidates.min(1).values.sum() == 460_908_960
    assert fixed + candidates.max(1).values.sum() == 1_036_673_856
    assert fixed + candidates.sum().item() / 6 == 721_301_232


@pytest.mark.parametrize("ids", LISTED)
def test_listed_architectures_have_the_sizes_of_the_release(ids):
    """The release's table counts each block at the size that it has when no other block is left out. A block with
    expansion 6 costs twice one with 3, so twice the latter minus the former leaves the block out."""
    ids = list(map(int, ids.split()))
    parameters, macs = LISTED[" ".join(map(str, ids))]
    assert costs(of_ids(ids), OPTIONS)["parameters"] == parameters
    omitted = [block for block, identifier in enumerate(ids) if identifier == space.OMITTED]
    once = costs(replaced(ids, dict.fromkeys(omitted, 0)), OPTIONS)["macs"]
    twice = costs(replaced(ids, dict.fromkeys(omitted, 1)), OPTIONS)["macs"]
    assert 2 * once - twice == macs


def test_logged_architecture():
    assert " ".join(map(str, LOGGED.operations)) in LISTED
    assert costs(LOGGED, OPTIONS)["flops"] == 658_269_984 + 1000  # the release's search code counts no bias
    with torch.device("meta"):
        network = Network(LOGGED, **OPTIONS)
    decayed = [p.numel() for p in network.parameters() if p.dim() == 4]
    others = [p.numel() for p in network.parameters() if p.dim() != 4]
    assert (len(decayed), sum(decayed), len(others), sum(others)) == (67, 4483128, 136, 1778232)
    assert {bn.eps for bn in network.modules() if isinstance(bn, nn.BatchNorm2d)} == {1e-5}
    assert network.dropout.p == 0.2


def test_facts_are_those_of_the_release(shared):
    facts = json.loads((shared / "facts" / "published.json").read_text())["mobilenet_space"]
    assert list(LOGGED.operations) == facts["notebook_argmax_ids"]
    listed = {ids: (entry["params"], round(entry["lookup_M"] * 1e6)) for ids, entry in facts["retrain_sh_ids"].items()}
    assert listed == LISTED
    runs = {ids: space.untrainable(of_ids(map(int, ids.split()))) is None for ids in listed}
    assert runs == {ids: entry["runs"] for ids, entry in facts["retrain_sh_ids"].items()}


def test_weights_are_drawn_as_in_the_release():
    """All of PyTorch's own initialisation in the order of construction, then the release's, then the gates."""
    supernet = small()
    layers = [module for module in supernet.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    torch.manual_seed(0)
    for layer in copy.deepcopy(layers):
        layer.reset_parameters()
    for layer in layers[:-1]:
        std = (2 / (layer.kernel_size[0] ** 2 * layer.out_channels)) ** 0.5
        torch.testing.assert_close(layer.weight.detach(), torch.randn(layer.weight.shape) * std)
    classifier, bound = supernet.classifier, supernet.classifier.in_features**-0.5
    assert torch.equal(classifier.weight, torch.empty_like(classifier.weight).uniform_(-bound, bound))
    assert not classifier.bias.any()
    assert torch.equal(supernet.gate_draws["blocks"], torch.randn(21, 6))
    assert {bn.eps for bn in supernet.modules() if isinstance(bn, nn.BatchNorm2d)} == {1e-3}


@pytest.mark.parametrize("left_out", [(), (1, 7, 15, 19)])
def test_supernet_with_one_gate_a_block_is_the_final_network(left_out):
    """Blocks with a shortcut may be left out by gates of zero."""
    ids = [(block * 5 + 2) % 6 if block not in left_out else space.OMITTED for block in range(21)]
    supernet, network = small().double(), Network(of_ids(ids), **SMALL["mobilenet"]).double()
    gates = torch.zeros(21, 6, dtype=torch.float64)
    kept = [block for block, identifier in enumerate(ids) if identifier != space.OMITTED]
    for block, final in zip(kept, network.blocks, strict=True):
        gates[block, ids[block]] = 1
        final.operation.load_state_dict(supernet.blocks[block].candidates[ids[block]].state_dict())
    for part in ("stem", "last", "classifier"):
        getattr(network, part).load_state_dict(getattr(supernet, part).state_dict())
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
    network.dropout.p = 0
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(network(images)[0], supernet(images, {"blocks": gates}))


def test_synflow_is_conserved():
    """Tanaka et al. (2020), theorem 1: R is what flows through the gates of a block and the shortcut beside them. R is
    linear in the gates of a block, so what a shortcut carries is R with the gates at zero."""
    supernet = small()
    objective, found = search.compute(supernet, SYNFLOW)
    with search.prepared(supernet, SYNFLOW, search.ones(supernet)[0], "float64") as (images, gates), torch.no_grad():
        for block, (choice, row) in enumerate(zip(supernet.blocks, found["blocks"], strict=True)):
            without = gates["blocks"].clone()
            without[block] = 0
            beside = supernet(images, {"blocks": without}).sum().item()
            assert (beside > 0) == choice.shortcut
            assert row.sum().item() + beside == pytest.approx(objective, rel=1e-12)


def test_bound_of_relu6_makes_every_synflow_score_zero():
    """With it, R is six times the sum of the classifier's weights, whatever the gates are."""
    supernet = small()
    score = scores.Score("synflow", "identity", "ones", True, True, "float64", activation="built")
    objective, found = search.compute(supernet, score)
    assert not found["blocks"].any()
    assert objective == pytest.approx(6 * supernet.classifier.weight.abs().sum().item())
    assert search.audit(supernet, score, search.ones(supernet), 0, found, "mobilenet")["verdict"] == "noise"


def test_segments_can_be_computed_again_one_by_one():
    supernet = small().double()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    gates = {"blocks": supernet.gate_draws["blocks"].double().requires_grad_()}
    expected = torch.autograd.grad(supernet(images, gates).square().sum(), gates["blocks"])
    x = images
    for segment in supernet.segments:
        x = checkpoint(segment, x, gates, use_reentrant=False)
    torch.testing.assert_close(torch.autograd.grad(x.square().sum(), gates["blocks"]), expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "operations: None, expected a list of 21 ids, one per block"),
        ({"operations": [0] * 20}, "operations: 20 ids, expected a list of 21 ids"),
        (
            {"operations": [0, 6] + [0] * 19},
            r"operations\[1\]: unknown id 6; allowed: -1 \(no block\), 0 \(mbconv_3x3_e3",
        ),
        ({"operations": [-2] + [0] * 20}, r"operations\[0\]: unknown id -2"),
        ({"operations": [0] * 20 + [True]}, r"operations\[20\]: unknown id True"),
        ({"operations": [0] * 20 + [1.0]}, r"operations\[20\]: unknown id 1.0"),
        ({"operations": [0] * 21, "arch": ""}, "unknown key 'arch'"),
    ],
)
def test_malformed_genotypes_are_named_with_the_place(content, message):
    with pytest.raises(InputError, match=message):
        space.parse({"space": "mobilenet", **content}, "here")


def test_omitted_blocks_round_trip():
    found = of_ids([0, -1, *range(6), *[5] * 12, -1])
    assert genotype.parse(json.loads(json.dumps(found.to_json())), "here") == found
    assert genotype.agreement(found, of_ids([0, 0, *range(6), *[5] * 12, -1])) == {"blocks": 20}


def test_strongest_operation_of_each_block_is_derived():
    rows = [[0.0] * 6 for _ in range(21)]
    rows[3][4] = rows[20][1] = 1.0
    assert space.derive({"blocks": rows}).operations == (0, 0, 0, 4, *[0] * 16, 1)


@pytest.mark.parametrize("omitted", [(0,), (4, 16)])
def test_genotype_without_a_stride_is_refused_before_training(omitted, tmp_path):
    found = replaced([2] * 21, dict.fromkeys(omitted, space.OMITTED))
    genotype.write(tmp_path / "genotype.json", found)
    factor = 2 ** len(omitted)
    with torch.no_grad():
        logits, _ = Network(found, **SMALL["mobilenet"]).eval()(torch.zeros(3, 3, 64, 64))
    assert logits.shape == (3 * factor**2, 5)  # the reason
    settings = TINY_TASK | {"space": "mobilenet", "network": SMALL["mobilenet"] | {"classes": 10}}
    run = Run(tmp_path / "genotype.json", "tiny", settings, 0)
    message = (
        rf"genotype.json: cannot be trained: without block {', '.join(map(str, omitted))}, .* {factor} times .* "
        rf"{factor**2} rows"
    )
    with pytest.raises(InputError, match=message):
        retrain(run, Engine(torch.device("cpu")), tmp_path / "checkpoints", lambda: False, tmp_path / "metrics.json")
    assert [path.name for path in tmp_path.iterdir()] == ["genotype.json"]


def test_genotype_with_omitted_blocks_can_be_trained():
    network = Network(
        of_ids([0, -1, 1, 2, 3, -1, 4, 5, 0, 1, -1, -1, -1, 2, 3, 4, 5, 0, 1, -1, -1]), **SMALL["mobilenet"]
    )
    logits, auxiliary = network(torch.randn(4, 3, 64, 64))
    logits.logsumexp(1).sum().backward()
    assert (logits.shape, auxiliary) == ((4, 5), None)
    assert all(parameter.grad is not None for parameter in network.parameters())
