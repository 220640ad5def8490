"""Trained weights that are loaded again, and weights in the layout of the release."""

import json
import os
import random
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from freedarts import genotype, spaces
from freedarts.files import InputError, read_json
from freedarts.training import evaluation, weights
from tests import released
from tests.support import ROOT, TINY_TASK, assert_refused, finish_training, options, write

PUBLISHED = ROOT / "resources/genotypes/published-synflow/darts-20/seed1.json"
NETWORK = {"channels": 4, "cells": 5, "stem_kind": "cifar", "image_size": 32, "classes": 10, "auxiliary": True}
SETTINGS = {"space": "darts", "dataset": "digits", "network": NETWORK, "protocol": TINY_TASK["protocol"]}


@pytest.mark.long
def test_another_process_gets_the_same_errors_to_the_last_digit(script, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    finish_training(run, epochs=2)
    given = {"--weights": run / "weights.safetensors", "--metrics": run / "metrics.json"}
    assert script("evaluate", *options(given), "--output", "evaluation.json") == (0, "")
    result = json.loads((tmp_path / "evaluation.json").read_text())
    rows = [line.split(",") for line in (run / "history.csv").read_text().splitlines()]
    last = dict(zip(rows[0], rows[-1], strict=True))
    for key in ("test_error", "test_top5_error", "test_loss"):
        assert f"{result[key]:.9g}" == last[key]

    metrics = read_json(run / "metrics.json")
    write(run / "metrics.json", metrics | {"error_last": metrics["error_last"] + 1e-9})
    assert_refused(
        script("evaluate", *options(given), "--output", "out/second.json"), f"test_error is {result['test_error']} (cpu"
    )
    with (run / "history.csv").open("a") as file:
        file.write("\n")
    status, said = script("evaluate", *options(given), "--output", "third.json")
    assert (status, "history.csv: changed since it was made" in said) == (1, True)


@pytest.mark.parametrize(
    ("device", "error", "fits"), [("A", 2.5, True), ("A", 2.51, False), ("B", 2.59, True), ("B", 2.7, False)]
)
def test_errors_may_differ_a_little_on_another_device(tmp_path, device, error, fits):
    made = {"device": "A", "precision": "bf16", "versions": {"torch": "2"}}
    metrics = write(tmp_path / "metrics.json", made | {"error_last": 2.5, "top5_error_last": 0.1})
    found = made | {"device": device, "test_error": error, "test_top5_error": 0.1}
    with nullcontext() if fits else pytest.raises(InputError, match=f"test_error is {error} "):
        evaluation.compare(found, metrics, "weights")


@pytest.mark.parametrize("imagenet", [False, True])
def test_weights_of_the_release_give_its_logits(imagenet):
    found = genotype.read(PUBLISHED)
    size = 224 if imagenet else 32
    network = NETWORK | {"image_size": size, "stem_kind": "imagenet" if imagenet else "cifar"}
    torch.manual_seed(0)
    theirs = released.Network(found, 4, 5, 10, imagenet)
    images = torch.randn(3, 3, size, size)
    for _ in range(3):  # gives batch norm statistics
        theirs(images)
    prefix = "module." if imagenet else ""  # of DataParallel, which the ImageNet runs used
    state = {prefix + name: tensor for name, tensor in theirs.state_dict().items()}
    ours = weights.build(found, network, state, "weights.pt")
    theirs.eval()
    torch.testing.assert_close(ours.eval()(images)[0], theirs(images)[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.auxiliary_head(x := torch.randn(2, 64, 8, 8)), theirs.auxiliary_head(x))


def test_mobilenet_weights_are_taken_in_their_order_whatever_they_are_called():
    found = spaces.load("mobilenet").parse({"operations": [index % 6 for index in range(21)]}, "test")
    network = {"channels": 40, "image_size": 64, "classes": 7}
    torch.manual_seed(0)
    theirs = released.MobileNet(found, 7)
    images = torch.randn(4, 3, 64, 64)
    for _ in range(3):
        theirs(images)
    state = {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}
    ours = weights.build(found, network, state, "model_best.pth.tar").eval()
    expected = theirs.eval()(images)
    torch.testing.assert_close(ours(images)[0], expected, rtol=1e-4, atol=1e-4)
    sorted_by_name = dict(sorted(ours.state_dict().items()))  # as safetensors has them
    again = weights.build(found, network, sorted_by_name, "weights.safetensors").eval()
    assert torch.equal(again(images)[0], ours(images)[0])

    other = spaces.load("mobilenet").parse({"operations": [(index + 1) % 6 for index in range(21)]}, "test")
    with pytest.raises(InputError, match=r"w\.pt: not the weights of this genotype and network: blocks\.0\..* is \["):
        weights.build(other, network, state, "w.pt")
    del state["module.linear.bias"]
    with pytest.raises(InputError, match=r"w\.pt: not the weights of this genotype and network: no stem\.0\.weight"):
        weights.build(found, network, state, "w.pt")


@pytest.fixture
def bring(tmp_path):
    """A weights.pt of a released network, as changed, and what the script needs for it."""

    def save(change=lambda state: state) -> dict[str, object]:
        torch.manual_seed(0)
        state = change(released.Network(genotype.read(PUBLISHED), 4, 5, 10, False).state_dict())
        torch.save(state, tmp_path / "weights.pt")
        names = {"--weights": tmp_path / "weights.pt", "--genotype": PUBLISHED}
        return names | {"--settings": json.dumps(SETTINGS), "--output": "out/evaluation.json"}

    return save


def test_brought_weights_are_tested(bring, script):
    given = bring()
    assert script("evaluate", *options(given)) == (0, "")
    without = bring(lambda state: {k: v for k, v in state.items() if "auxiliary" not in k and "num_batches" not in k})
    assert script("evaluate", *options(without | {"--output": "out/second.json"})) == (0, "")
    whole = bring(lambda state: {"epoch": 5, "state_dict": state, "best_acc_top1": 97.0})
    assert script("evaluate", *options(whole | {"--output": "out/third.json"})) == (0, "")
    results = [Path(f"out/{name}.json").read_text() for name in ("evaluation", "second", "third")]
    assert len(set(results)) == 1
    assert 80 < json.loads(results[0])["test_error"] < 97  # untrained


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module.{name}",
        lambda name: f"module._orig_mod.{name}",
        lambda name: f"_orig_mod.module.{name}",
        lambda name: name.replace("stem.", "stem._orig_mod."),  # where a part of the network was compiled
    ],
)
def test_wrappers_of_torch_do_not_count_in_any_space(tmp_path, wrapped):
    found = spaces.load("nasbench201").from_index(6818)
    theirs = spaces.load("nasbench201").network(found, **TINY_TASK["network"])
    state = {wrapped(name): tensor for name, tensor in theirs.state_dict().items()}
    assert set(state) != set(theirs.state_dict())
    for content in (state, *({"epoch": 5, name: state} for name in ("state_dict", "model", "model_state_dict"))):
        torch.save(content, tmp_path / "w.pt")
        state = weights.read_released(tmp_path / "w.pt")
        ours = weights.build(found, TINY_TASK["network"], state, "w.pt").state_dict()
        assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.state_dict().items())


class Planted:
    def __reduce__(self):
        return os.system, ("touch planted",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {"state_dict": state, "arch": Planted()}, "or holds more than the tensors and plain values"),
        (lambda state: [1, 2], "holds list; expected a dictionary of tensors, or one called state_dict or model or"),
        (lambda state: {"ema": state, "epoch": 3}, "holds keys ['ema', 'epoch']; expected a dictionary of tensors"),
        (
            lambda state: state | {"classifier.weight": torch.zeros(100, 64)},
            "classifier.weight is [100, 64], expected [10",
        ),
        (lambda state: {k: v for k, v in state.items() if "_ops.1." not in k}, "no cells.0.operations.1."),
        (
            lambda state: state | {"alphas": torch.zeros(3)},
            "not the weights of this genotype and network: unknown alphas",
        ),
        (lambda state: {f"net.{k}": v for k, v in state.items()}, "no stem0.0.weight, unknown net.stem.0.weight; "),
    ],
)
def test_weights_that_do_not_fit_are_refused(bring, script, change, message):
    assert_refused(script("evaluate", *options(bring(change))), message)
    assert not Path("planted").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--genotype": ROOT / "resources/genotypes/darts-v2/darts-8/seed0.json"}, "not the weights of this genotype"),
        ({"--settings": json.dumps(SETTINGS | {"network": NETWORK | {"channels": 6}})}, "expected [18, 3, 3, 3]; "),
        ({"--weights": "none.pt"}, "No such file"),
        ({"--weights": PUBLISHED}, "cannot be read as weights"),
    ],
)
def test_what_does_not_belong_to_the_weights_is_refused(bring, script, changes, message):
    assert_refused(script("evaluate", *options(bring() | changes)), message)


def test_released_weights_need_genotype_and_settings(bring, script):
    given = bring()
    del given["--genotype"]
    assert_refused(script("evaluate", *options(given)), "--genotype and --settings are needed")


def test_damaged_or_nameless_safetensors_are_refused(tmp_path):
    state = {"a": torch.zeros(3)}
    save_file(state, tmp_path / "bare.safetensors")
    with pytest.raises(InputError, match=r"bare\.safetensors: holds no genotype and no settings"):
        weights.read(tmp_path / "bare.safetensors")
    save_file(state, tmp_path / "list.safetensors", {"training": "[1]"})
    with pytest.raises(InputError, match=r"list\.safetensors: holds no genotype and no settings"):
        weights.read(tmp_path / "list.safetensors")
    save_file(state, tmp_path / "cut.safetensors", {"training": '{"genotype": {}, "settings": {}}'})
    content = (tmp_path / "cut.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:-5])
    with pytest.raises(InputError, match=r"cut\.safetensors: cannot be read as safetensors"):
        weights.read(tmp_path / "cut.safetensors")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_weights_of_the_release_are_refused_without_bad_advice(tmp_path, zipped):
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": {"a": torch.zeros(3)}, "epoch": 3}, path, _use_new_zipfile_serialization=zipped)
    whole, draw = path.read_bytes(), random.Random(0)
    said = []
    for _ in range(200):
        content = bytearray(whole[: draw.choice([len(whole), draw.randrange(1, len(whole))])])
        for _ in range(draw.randrange(4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content)
        try:
            weights.read_released(path)
        except InputError as error:
            said.append(str(error))
    assert len(said) > 50
    assert len({message.split("; expected")[0].split(" keys ")[0] for message in said}) < 3  # damaged, or no weights
    assert all(message.startswith(f"{path}: ") and "weights_only" not in message for message in said)


def test_weights_of_other_spaces_are_not_taken_for_released_ones():
    found = spaces.load("nasbench201").from_index(6818)
    with pytest.raises(InputError, match=r"w\.pt: not the weights of this genotype and network"):
        weights.build(found, TINY_TASK["network"], {"stem.0.weight": torch.zeros(1)}, "w.pt")
