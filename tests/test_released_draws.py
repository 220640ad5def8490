"""The release's random draws: known values of the generators, and each image by itself as its loader made it."""

import hashlib
import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from freedarts import scores, search, spaces, tasks, training
from freedarts.files import InputError
from freedarts.spaces.nasbench201 import released as nasbench201
from freedarts.study import settings
from freedarts.tasks import Data, cifar, released
from freedarts.training.protocol import Protocol


@pytest.fixture
def data():
    """Images that know their index, as CIFAR-10 has 50,000."""
    images = torch.randint(256, (200, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Data(
        images, torch.arange(200), images[:10], torch.arange(10), 200, train=cifar.augment, test=cifar.normalise
    )


def moved(image: torch.Tensor, top: int, left: int) -> torch.Tensor:
    return F.pad(image, [4] * 4)[:, top : top + 32, left : left + 32]


def test_generators_draw_what_they_always_have():
    torch.manual_seed(0)
    assert released.base_seed() == 900450186894289455
    assert torch.randperm(5).tolist() == [3, 1, 0, 4, 2]
    base, order = released.begin(25_000, torch.Generator().manual_seed(9))
    assert (base, order[:4].tolist()) == (191369442034012508, [9974, 9351, 464, 1259])
    python = released.process(base)
    assert [released.crop_then_flip(python) for _ in range(3)] == [(4, 3, False), (0, 5, True), (2, 2, True)]
    assert np.random.RandomState(9).randint(32, size=6).tolist() == [30, 28, 30, 21, 22, 24]


def test_digest_of_a_training_epoch_of_50000_images():
    """Crops, flips and cutouts, image after image."""
    order = torch.randperm(50_000, generator=torch.Generator().manual_seed(1))
    drawn = released._draws(7, order, 96, 2)
    columns = torch.stack([drawn.top, drawn.left, drawn.flip.long(), drawn.row, drawn.column])
    assert hashlib.sha256(columns.numpy().tobytes()).hexdigest()[:16] == "ff9ef7e361bbd2cc"


def test_the_loaders_of_an_epoch_are_two_processes_that_take_turns(data):
    """Image after image, each in its process, and epoch after epoch from one stream of torch's generator."""
    torch.manual_seed(3)
    torch.randn(7)  # the network
    trained = released.training_data(data).begin(seed=3)
    for epoch in range(3):
        base = torch.empty((), dtype=torch.int64).random_().item()
        order = torch.randperm(200)
        processes = [(random.Random(base + number), np.random.RandomState(3)) for number in range(2)]
        expected = []
        for number, batch in enumerate(order.split(48)):
            python, numpy = processes[number % 2]
            for index in batch:
                image = moved(data.train_images[index], python.randint(0, 8), python.randint(0, 8))
                image = cifar.normalise((image.flip(2) if python.random() < 0.5 else image)[None])[0]
                y, x = numpy.randint(32), numpy.randint(32)
                image[:, max(0, y - 8) : y + 8, max(0, x - 8) : x + 8] = 0
                expected.append(image)
        torch.empty((), dtype=torch.int64).random_()  # the test's loader
        ours = trained.epoch(seed=0, epoch=epoch, batch_size=48)
        assert torch.equal(ours.order, order)
        batches = list(ours.batches(order.split(48)))
        assert torch.equal(torch.cat([inputs for inputs, _ in batches]), torch.stack(expected))
        assert torch.equal(torch.cat([labels for _, labels in batches]), order)
        # A training that goes on, or shares its batches, gets the same.
        (later, _), *_ = ours.batches([order[100:110]])
        assert torch.equal(later, torch.stack(expected[100:110]))


def test_a_training_with_the_released_draw_stops_and_goes_on(few_digits):
    """The draws are a function of the epoch: the second of two epochs alone is that of both."""
    torch.manual_seed(5)
    images = torch.randint(256, (20, 3, 32, 32), dtype=torch.uint8)
    whole = replace(few_digits, train_images=images, train_labels=torch.arange(20) % 10)
    drawn = released.training_data(whole).begin(5)
    first = drawn.epoch(5, 1, 8).order
    assert torch.equal(first, drawn.epoch(5, 1, 8).order)
    assert not torch.equal(first, drawn.epoch(5, 0, 8).order)
    protocol = Protocol(1, 8, 0.1, "cosine-released", 0.9, 0.0, 5.0, 0.0, 0.0, 0.0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
    seen = []

    class Watched(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = network

        def forward(self, images):
            seen.append(images.clone())
            return self.layers(images), None

    training.train(Watched(), drawn, protocol, 5, torch.device("cpu"))
    expected = drawn.epoch(5, 0, 8)
    for inputs, (batch, _) in zip(seen, expected.batches(expected.order.split(8)), strict=False):
        assert torch.equal(inputs, batch)


def test_the_darts_notebooks_score_the_second_loader(data):
    torch.manual_seed(1)
    inputs, labels = spaces.load("darts").released_batch(data, 16)
    torch.manual_seed(1)
    for _ in range(2):
        base = torch.empty((), dtype=torch.int64).random_().item()
        order = torch.randperm(100)
    python = random.Random(base)
    assert labels.tolist() == (100 + order[:16]).tolist()
    for image, index in zip(inputs, labels, strict=True):
        expected = moved(data.train_images[index], python.randint(0, 8), python.randint(0, 8))
        expected = expected.flip(2) if python.random() < 0.5 else expected
        assert torch.equal(image, cifar.normalise(expected[None])[0])


def test_the_nasbench201_notebooks_score_the_partners_of_their_training_images(data, monkeypatch):
    monkeypatch.setattr(nasbench201, "halves", lambda: (list(range(100)), list(range(100, 200))))
    torch.manual_seed(4)
    inputs, labels = spaces.load("nasbench201").released_batch(data, 16)
    torch.manual_seed(4)
    torch.rand(1, 3, 32, 32)
    python = random.Random(torch.empty((), dtype=torch.int64).random_().item())
    for image, label in zip(inputs, labels, strict=True):
        index = python.choice(range(100, 200))
        assert label == index
        for _ in range(2):  # the training image, then its partner
            flip = python.random() < 0.5
            top, left = python.randint(0, 8), python.randint(0, 8)
        expected = data.train_images[index]
        expected = moved(expected.flip(2) if flip else expected, top, left)[None]
        assert torch.equal(image, cifar.normalise(expected, nasbench201.MEAN, nasbench201.STD)[0])


def test_halves_of_nasbench201():
    training_half, validation_half = nasbench201.halves()
    assert sorted(training_half + validation_half) == list(range(50_000))
    assert (training_half[:5], validation_half[:5]) == ([0, 5, 7, 11, 13], [1, 2, 3, 4, 6])
    text = json.dumps(validation_half).encode()
    assert hashlib.sha256(text).hexdigest()[:16] == "7fb75bf70eb91b9a"


def test_halves_are_those_of_the_facts(shared):
    halves = json.loads((shared / "facts" / "cifar-split.json").read_text())
    assert nasbench201.halves() == tuple([int(i) for i in halves[name]] for name in ("train", "valid"))


SNIP = {"proxy": "snip", "batch_norm": "train", "gates": "ones", "positive_gates": False, "positive_weights": False}
SNIP |= {"precision": "float32"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"dataset": "digits", "draw": "released"}, "draw 'released' of digits; allowed with cifar10 alone"),
        ({"dataset": "cifar10", "draw": "mine"}, "draw 'mine' of cifar10; allowed: own, released"),
    ],
)
def test_other_data_sets_and_draws_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        scores.from_settings({**SNIP, "data": {"batch_size": 8, **data}})


def test_other_spaces_are_refused():
    score = scores.from_settings({**SNIP, "data": {"dataset": "cifar10", "batch_size": 8, "draw": "released"}})
    with pytest.raises(InputError, match="draw 'released': how the release draws for the space mobilenet is not known"):
        search.draw(torch.nn.Identity(), score, 10, 0, "mobilenet")


def test_draw_of_a_task_and_of_an_architecture_score(config):
    task = config["tasks"]["cifar10-c38"]
    assert list(settings.task_faults({**task, "draw": "released"}, tasks.DATASETS)) == []
    once = {**task, "draw": "released", "protocol": {**task["protocol"], "reshuffle": False}}
    assert list(settings.task_faults(once, tasks.DATASETS)) == [
        "protocol.reshuffle: false, but the release's draw has an order for each epoch; allowed: true"
    ]
    score = config["architecture_scores"]["snip-cifar10"]
    score = {**score, "data": {**score["data"], "draw": "released"}}
    assert list(settings.architecture_score_faults(score, tasks.DATASETS)) == [
        "data.draw: released; allowed for searches alone"
    ]


@pytest.mark.long
def test_snip_of_the_release_comes_out_again(catalogue, config, cifar10):
    """The loss that its notebook printed for seed 9, and the cell that it found in NAS-Bench-201."""
    options = {**config["supernets"]["darts-8"]}
    score = scores.from_settings(catalogue.score("darts-8", "snip-released-cifar10"))
    supernet = search.build(options.pop("space"), options, 9)
    images, labels = search.draw(supernet, score, 10, 9, "darts", cifar10)
    with search.prepared(supernet, score, images, "float32") as (images, gates), torch.no_grad():
        assert f"{F.cross_entropy(supernet(images, gates), labels):.4f}" == "2.3068"
    options = {**config["supernets"]["nasbench201"]}
    score = scores.from_settings(catalogue.score("nasbench201", "snip-released-cifar10"))
    supernet = search.build(options.pop("space"), options, 4)
    batch = search.draw(supernet, score, 10, 4, "nasbench201", cifar10)
    _, matrices = search.compute(supernet, score, batch)
    space = spaces.load("nasbench201")
    assert spaces.derive(space, {group: matrix.tolist() for group, matrix in matrices.items()}).index == 6818
