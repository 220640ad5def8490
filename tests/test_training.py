"""Protocols, the training loop, and what a retraining refuses."""

import json
from dataclasses import replace
from itertools import count

import pytest
import torch
from safetensors.torch import load_file

from freedarts import spaces, tasks, training
from freedarts.files import InputError
from freedarts.jobs.environment import Engine
from freedarts.spaces import nasbench201
from freedarts.training.retrain import Display, Run, retrain
from tests.support import curves

PROTOCOL = training.Protocol(3, 64, 0.05, "cosine", 0.9, 3e-4, 5.0, 0.2, 0.4, 0.0)
CPU = torch.device("cpu")
NETWORK = {"channels": 4, "cells_per_stage": 1, "image_size": 32, "classes": 10}


@pytest.fixture(scope="module")
def digits() -> tasks.Data:
    return tasks.load("digits")


def small_network(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return spaces.load("nasbench201").network(nasbench201.from_index(6818), **NETWORK)


def test_digits_are_split_by_class(digits):
    assert digits.train_images.shape == (1437, 3, 32, 32)
    assert digits.test_images.shape == (360, 3, 32, 32)
    assert torch.equal(digits.train_images[:, 0], digits.train_images[:, 2])
    counts = [labels.bincount(minlength=10) for labels in (digits.train_labels, digits.test_labels)]
    assert (counts[1] - (counts[0] + counts[1]) * 360 / 1797).abs().max() <= 1
    assert digits.train_images.mean() == pytest.approx(0, abs=0.01)


def test_training_repeats_bit_for_bit(few_digits):
    histories = [training.train(small_network(), few_digits, PROTOCOL, 7, CPU) for _ in range(2)]
    first, second = ([{k: v for k, v in row.items() if "seconds" not in k} for row in history] for history in histories)
    assert first == second
    assert len(first) == 3


def test_long_epoch_says_each_minute_where_it_is(few_digits, tmp_path, monkeypatch, capsys):
    """The mean loss so far is in the end that of the epoch; looking at it changes nothing."""
    protocol = replace(PROTOCOL, epochs=2, batch_size=16)
    minutes = count(step=61)
    monkeypatch.setattr("freedarts.training.retrain.time.time", lambda: next(minutes))
    display = Display(tmp_path / "metrics.json", 2, 60)
    said = training.train(small_network(), few_digits, protocol, 7, CPU, job=training.Job(within=display.within))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    for epoch, row in enumerate(said):
        line = lines[4 * epoch + 3]
        assert line.startswith(f"epoch {epoch + 1} of 2, step 4 of 4: loss {row['train_loss']:.4f}, ")
        assert line.endswith("images/s, 0 min left of the epoch")
    silent = training.train(small_network(), few_digits, protocol, 7, CPU)
    assert [row["train_loss"] for row in silent] == [row["train_loss"] for row in said]


@pytest.mark.long
def test_shuffled_labels_cannot_be_learnt(digits):
    protocol = replace(PROTOCOL, epochs=5, batch_size=32)
    some = replace(digits, train_images=digits.train_images[:480], train_labels=digits.train_labels[:480])
    labels = some.train_labels[torch.randperm(480, generator=torch.Generator().manual_seed(0))]
    shuffled = replace(some, train_labels=labels)
    errors = [training.train(small_network(), data, protocol, 0, CPU)[-1]["test_error"] for data in (shuffled, some)]
    assert errors[0] > 80
    assert errors[1] < 40


def test_headline_is_the_last_epoch_not_the_best():
    history = [{"test_error": error, "test_top5_error": error / 10} for error in (50.0, 3.0, 9.0, 8.0)]
    summary = training.summary(history)
    assert summary == {"error_last": 8.0, "error_best": 3.0, "error_last10_mean": 17.5, "top5_error_last": 0.8}


@pytest.mark.long
@pytest.mark.parametrize(("epochs", "batch_size"), [(3, 64), (1, 1437)])
def test_divergence_is_an_error(digits, epochs, batch_size):
    wild = training.Protocol(epochs, batch_size, 1e30, "cosine", 0.9, 0.0, 1e30, 0.0, 0.0, 0.0)
    with pytest.raises(InputError, match="has diverged"):
        training.train(small_network(), digits, wild, 0, CPU)


@pytest.fixture
def job(tmp_path):
    genotype = tmp_path / "genotype.json"
    genotype.write_text(json.dumps(nasbench201.from_index(6818).to_json()))
    protocol = {field: getattr(PROTOCOL, field) for field in PROTOCOL.__dataclass_fields__} | {"epochs": 1}
    settings = {"space": "nasbench201", "dataset": "digits", "network": NETWORK, "protocol": protocol}

    def run(seed: int = 0, content: dict | None = None, **changes) -> None:
        if content:
            genotype.write_text(json.dumps(content))
        arguments = Run(genotype, "tiny", settings | changes, seed)
        retrain(arguments, Engine(CPU), tmp_path / "checkpoints", lambda: False, tmp_path / "out" / "metrics.json")

    return run


@pytest.mark.long
def test_saved_weights_give_the_same_error(job, digits, tmp_path):
    job()
    network = small_network(seed=5)
    network.load_state_dict(load_file(tmp_path / "out" / "weights.safetensors"))
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert training.evaluate(network, digits.test_batches())["test_error"] == metrics["error_last"]
    assert metrics["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert json.loads((tmp_path / "out" / "protocol.json").read_text())["protocol"]["epochs"] == 1
    assert curves(tmp_path / "out" / "tensorboard")["test_error"] == {0: pytest.approx(metrics["error_last"])}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "run -1; allowed: 0 to 999"),
        ({"content": {"space": "nasbench201", "refused": "overflow in cells.3"}}, "there is nothing to train"),
        ({"space": "darts"}, "is a genotype of nasbench201, expected darts"),
        ({"network": NETWORK | {"classes": 11}}, "the network has 11 classes, the data 10"),
    ],
)
def test_bad_input_is_refused_before_training(job, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        job(**changes)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "checkpoints").exists()
