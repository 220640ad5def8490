"""Protocols of the paper's trainings: the learning rate that is used in every step, and what else the release's
trainings have that nobody would choose."""

import math
from dataclasses import asdict, replace

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from freedarts import genotype, spaces, tasks, training
from freedarts.files import InputError
from freedarts.training.presets import PRESETS
from freedarts.training.protocol import SCHEDULES, Protocol
from tests.support import ROOT

IMAGES = 1_281_167  # of ImageNet
EPOCHS = {"cifar10": 600, "cifar10-c38": 600, "cifar100": 600, "cifar100-c38": 600}
EPOCHS |= {"imagenet": 250, "imagenet-c50": 250, "imagenet-mobilenet": 240}


# What the release's logs and code say, for each task: its protocol, and channels, cells and classes of its network.
FIELDS = ("epochs", "batch_size", "learning_rate", "schedule", "momentum", "weight_decay", "gradient_clip", "drop_path")
FIELDS += ("auxiliary_weight", "label_smoothing", "decay", "reshuffle", "color_jitter")
CIFAR = (600, 96, 0.025, "cosine-released", 0.9, 3e-4, 5.0, 0.2, 0.4, 0.0, "all", True, False)
IMAGENET = (0.3, "linear-released", 0.9, 3e-5, 5.0, 0.0, 0.4, 0.1, "all", True, True)
MOBILENET = (240, 512, 0.25, "linear-steps-released", 0.9, 4e-5, 5.0, 0.0, 0.0, 0.1, "convolutions", False, False)
RELEASED = {
    "cifar10": (CIFAR, 36, 20, 10),
    "cifar10-c38": (CIFAR, 38, 20, 10),
    "cifar100": (CIFAR, 36, 20, 100),
    "cifar100-c38": (CIFAR, 38, 20, 100),
    "imagenet": ((250, 320, *IMAGENET), 48, 14, 1000),
    "imagenet-c50": ((250, 384, *IMAGENET), 50, 14, 1000),
    "imagenet-mobilenet": (MOBILENET, 40, None, 1000),
}


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, images):
        return self.layer(images.flatten(1)), None


def protocol(config: dict, task: str) -> Protocol:
    return Protocol(**config["tasks"][task]["protocol"])


@pytest.mark.parametrize("task", RELEASED)
def test_every_value_is_that_of_the_release(config, task):
    expected, channels, cells, classes = RELEASED[task]
    assert asdict(protocol(config, task)) == dict(zip(FIELDS, expected, strict=True))
    entry, size = config["tasks"][task], 32 if "cifar" in task else 224
    network = {"channels": channels, "image_size": size, "classes": classes}
    if cells:
        network |= {"cells": cells, "stem_kind": "cifar" if size == 32 else "imagenet", "auxiliary": True}
    assert entry["network"] == network
    assert entry["dataset"] == task.split("-")[0]
    assert entry["space"] == ("darts" if cells else "mobilenet")


def released_rate(task: str, epoch: int) -> float:
    if "cifar" in task:
        return 0.0125 * (1 + math.cos(math.pi * (epoch + 1) / 600))
    if epoch < 5:
        return 0.06 * (epoch + 1)
    return 0.3 * (245 - epoch) / 245 if epoch <= 244 else 0.3 * (250 - epoch) / (245 * 5)


def used_rates(protocol: Protocol, images: int) -> tuple[list[float], list[dict]]:
    """The rate of the optimizer in every step of a training on as many images, and the history."""
    pixels, labels = torch.randn(images, 3, 1, 1), torch.arange(images) % 2
    data = tasks.Data(pixels, labels, pixels, labels, 2)
    rates = []

    def note(optimizer, args, kwargs) -> None:
        (rate,) = {group["lr"] for group in optimizer.param_groups}
        rates.append(rate)

    hook = register_optimizer_step_pre_hook(note)
    try:
        return rates, training.train(Linear(), data, protocol, 0, torch.device("cpu"))
    finally:
        hook.remove()


@pytest.mark.parametrize("task", [task for task in EPOCHS if "mobilenet" not in task])
def test_every_epoch_trains_with_the_rate_of_the_release(config, task):
    entry = protocol(config, task)
    rates, history = used_rates(replace(entry, batch_size=2), 3)
    assert len(rates) == 2 * EPOCHS[task]
    for epoch, row in enumerate(history):
        assert rates[2 * epoch : 2 * epoch + 2] == [row["learning_rate"]] * 2
        assert row["learning_rate"] == pytest.approx(released_rate(task, epoch), rel=1e-12, abs=1e-15)
        assert entry.drop_path_at(epoch) == pytest.approx(0.2 * epoch / 600 if "cifar" in task else 0.0)


def test_rates_are_those_that_the_release_logged(config):
    """The logs print the rate after the step, and for CIFAR not quite the one that was used."""
    cifar, imagenet = protocol(config, "cifar10"), protocol(config, "imagenet")
    assert cifar.learning_rate_at(0) == pytest.approx(2.499983e-02, rel=1e-6)
    assert cifar.learning_rate_at(598) == pytest.approx(1.713469e-07, rel=1e-6)
    assert cifar.learning_rate_at(599) == 0
    assert imagenet.learning_rate_at(244) == pytest.approx(imagenet.learning_rate_at(245), rel=1e-12)
    assert imagenet.learning_rate_at(249) == pytest.approx(2.44898e-4, rel=1e-5)


def test_mobilenet_rates_fall_in_every_step_and_end_below_zero(config):
    entry = protocol(config, "imagenet-mobilenet")
    assert (entry.epochs, math.ceil(IMAGES / entry.batch_size)) == (240, 2503)
    for epoch in range(240):
        for step in range(2503):
            expected = 0.25 * (1 - (2503 * epoch + step) / 600_480)
            assert abs(entry.learning_rate_at(epoch, step, IMAGES) - expected) < 1e-15
    assert entry.learning_rate_at(239, 2502 - 239, IMAGES) == 0
    assert entry.learning_rate_at(239, 2502, IMAGES) == pytest.approx(-9.950e-5, rel=1e-3)
    mended = replace(entry, schedule="linear-steps")
    assert mended.learning_rate_at(239, 2502, IMAGES) == pytest.approx(0.25 / 600_720)


@pytest.mark.parametrize("schedule", ["linear-steps", "linear-steps-released"])
def test_every_step_trains_with_its_own_rate(schedule):
    steps = Protocol(240, 4, 0.25, schedule, 0.9, 4e-5, 5.0, 0.0, 0.0, 0.1)
    rates, history = used_rates(steps, 11)
    total = 240 * (11 // 4 if schedule.endswith("released") else 3)
    assert rates == pytest.approx([0.25 * (1 - step / total) for step in range(720)], abs=1e-15)
    assert [row["learning_rate"] for row in history] == rates[2::3]
    assert (min(rates) < 0) == schedule.endswith("released")


@pytest.mark.parametrize("schedule", [name for name in SCHEDULES if name != "linear-steps-released"])
@pytest.mark.parametrize("epochs", [1, 2, 5, 6, 250, 600])
def test_rates_are_never_above_the_base_rate_or_below_zero(schedule, epochs):
    entry = Protocol(epochs, 2, 0.3, schedule, 0.9, 0.0, 5.0, 0.0, 0.0, 0.0)
    rates = [entry.learning_rate_at(epoch, step, 5) for epoch in range(epochs) for step in range(3)]
    assert all(0 <= rate <= 0.3 for rate in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


@pytest.fixture
def mobilenet(config):
    """The network that the release trained."""
    published = genotype.read(ROOT / "resources/genotypes/published-mobilenet/mobilenet/seed0.json")
    return spaces.load("mobilenet").network(published, **config["tasks"]["imagenet-mobilenet"]["network"])


def decaying(network, entry: Protocol) -> tuple[int, int]:
    """Tensors and parameters with weight decay."""
    (group,) = [group["params"] for group in training.optimizer(network, entry).param_groups if group["weight_decay"]]
    return len(group), sum(parameter.numel() for parameter in group)


def test_weight_decay_of_the_released_mobilenet_spares_batch_norms_and_the_classifier(config, mobilenet):
    entry = protocol(config, "imagenet-mobilenet")
    assert decaying(mobilenet, entry) == (67, 4_483_128)
    groups = training.optimizer(mobilenet, entry).param_groups
    assert sum(len(group["params"]) for group in groups if not group["weight_decay"]) == 136
    assert decaying(mobilenet, replace(entry, decay="convolutions-and-classifier")) == (69, 4_483_128 + 1_729_000)
    assert decaying(mobilenet, replace(entry, decay="all")) == (203, 6_261_360)


def test_without_reshuffling_every_epoch_sees_the_same_batches(config):
    class Watched(Linear):
        def forward(self, images):
            if self.training:
                seen.append(images.flatten().tolist())
            return super().forward(images)

    pixels, labels = torch.randn(9, 3, 1, 1), torch.arange(9) % 2
    data = tasks.Data(pixels, labels, pixels, labels, 2)
    entry = replace(protocol(config, "imagenet-mobilenet"), epochs=2, batch_size=4)
    for reshuffle in (False, True):
        seen = []
        training.train(Watched(), data, replace(entry, reshuffle=reshuffle), 0, torch.device("cpu"))
        assert (seen[:3] == seen[3:]) == (not reshuffle)
        for epoch in (seen[:3], seen[3:]):
            assert sorted(value for batch in epoch for value in batch) == sorted(pixels.flatten().tolist())


@pytest.mark.long
def test_mobilenet_network_learns_digits(config):
    task = config["tasks"]["digits-mobilenet"]
    published = genotype.read(ROOT / "resources/genotypes/published-mobilenet/mobilenet/seed0.json")
    torch.manual_seed(0)
    network = spaces.load("mobilenet").network(published, **task["network"])
    entry = replace(Protocol(**task["protocol"]), epochs=5)
    history = training.train(network, tasks.load("digits"), entry, 0, torch.device("cpu"))
    assert history[0]["test_error"] > 80
    assert history[-1]["test_error"] < 30


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_the_protocols_of_the_configuration(config, name):
    assert Protocol.preset(name) == Protocol(**config["tasks"][name]["protocol"])


def test_preset_takes_changes_and_names_what_it_does_not_know():
    assert Protocol.preset("cifar10", epochs=10) == replace(Protocol.preset("cifar10"), epochs=10)
    for name, changes, message in (
        ("cifar", {}, "preset 'cifar'; allowed: .*; did you mean 'cifar10'"),
        ("cifar10", {"epoch": 1}, "unknown key 'epoch'; allowed: epochs, .*; did you mean 'epochs'"),
        ("cifar10", {"schedule": "cosin"}, "schedule 'cosin'; allowed: cosine, .*; did you mean 'cosine'"),
    ):
        with pytest.raises(InputError, match=message):
            Protocol.preset(name, **changes)
