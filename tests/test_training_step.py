"""The training loop against steps written out by hand, for every space and with all that a protocol can ask for."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from freedarts import spaces, training
from freedarts.jobs.checkpoints import Checkpoints, Interrupted
from freedarts.layers.layers import FactorizedReduce
from freedarts.tasks import Data
from freedarts.training import Job, Protocol
from tests.support import final_network

CPU = torch.device("cpu")
PROTOCOL = Protocol(2, 24, 0.1, "cosine-released", 0.9, 0.01, 0.5, 0.0, 0.4, 0.1)


def train_by_hand(network: torch.nn.Module, data: Data, seed: int) -> list[tuple[float, int]]:
    """(mean loss, wrong answers) of every epoch: SGD with momentum, weight decay and clipping, in plain steps."""
    torch.manual_seed(seed)  # of dropout
    history, velocity = [], [torch.zeros_like(parameter) for parameter in network.parameters()]
    for epoch in range(PROTOCOL.epochs):
        network.train()
        total, wrong, rate = 0.0, 0, PROTOCOL.learning_rate_at(epoch)
        for batch in data.epoch(seed, epoch, 24).order.split(24):
            labels = data.train_labels[batch]
            logits, auxiliary = network(data.train_images[batch])
            loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
            total, wrong = total + loss.item() * len(batch), wrong + (logits.argmax(1) != labels).sum().item()
            if auxiliary is not None:
                loss = loss + 0.4 * F.cross_entropy(auxiliary, labels, label_smoothing=0.1)
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            norm = sum(gradient.square().sum() for gradient in gradients).sqrt()
            with torch.no_grad():
                for parameter, gradient, v in zip(network.parameters(), gradients, velocity, strict=True):
                    v.mul_(0.9).add_(gradient * min(1.0, 0.5 / norm.item()) + 0.01 * parameter)
                    parameter -= rate * v
        history.append((total / 60, wrong))
    return history


@pytest.mark.long
@pytest.mark.parametrize("name", spaces.SPACES)
def test_training_takes_the_steps_of_the_protocol(few_digits, name):
    few_digits = replace(
        few_digits, train_images=few_digits.train_images.double(), test_images=few_digits.test_images.double()
    )
    network, by_hand = (final_network(name).double() for _ in range(2))  # 21 blocks amplify float32's rounding
    history = training.train(network, few_digits, PROTOCOL, 5, CPU)
    for row, (loss, wrong) in zip(history, train_by_hand(by_hand, few_digits, 5), strict=True):
        assert row["train_loss"] == pytest.approx(loss, rel=1e-4)
        assert row["train_error"] == pytest.approx(100 * wrong / 60)
    for (key, found), expected in zip(network.state_dict().items(), by_hand.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.long
@pytest.mark.parametrize("name", spaces.SPACES)
def test_training_repeats_bit_for_bit_with_drop_path(few_digits, name):
    protocol = Protocol(2, 24, 0.1, "cosine", 0.9, 0.0, 5.0, 0.8, 0.4, 0.0)

    def result(seed: int) -> tuple[list[dict], dict]:
        network = final_network(name)
        history = training.train(network, few_digits, protocol, seed, CPU)
        times = ("train_seconds", "seconds")
        return [{key: v for key, v in row.items() if key not in times} for row in history], network.state_dict()

    (first, weights), (again, same), (other, _) = result(3), result(3), result(4)
    assert first == again
    torch.testing.assert_close(weights, same, rtol=0, atol=0)
    assert first != other


def test_drop_path_grows_over_the_epochs(few_digits):
    seen = []

    class Watched(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = final_network("darts")
            self.drop_path = None

        def forward(self, images):
            seen.append((self.training, self.drop_path.item()))
            self.network.drop_path = self.drop_path
            return self.network(images)

    protocol = Protocol(4, 30, 0.1, "cosine", 0.9, 0.0, 5.0, 0.2, 0.0, 0.0)
    training.train(Watched(), few_digits, protocol, 0, CPU)
    assert [path for in_training, path in seen if in_training][::2] == [0.0, *map(pytest.approx, (0.05, 0.1, 0.15))]


def test_order_is_a_permutation_that_changes_with_epoch_and_seed(few_digits):
    orders = [few_digits.epoch(seed, epoch, 24).order.tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(60)) for order in orders)
    assert len(set(map(tuple, orders))) == 4
    assert few_digits.epoch(1, 1, 24).order.tolist() == orders[3]
    assert few_digits.epoch(1, 1, 24, reshuffle=False).order.tolist() == orders[2]


def test_evaluation_counts_top_1_and_top_5_of_all_images():
    torch.manual_seed(0)
    logits, labels = torch.randn(70, 10), torch.arange(70) % 10

    class Fixed(torch.nn.Module):
        def forward(self, images):
            assert not self.training
            return logits[images.flatten()], None

    batches = ((torch.arange(70)[part].view(-1, 1, 1, 1), labels[part]) for part in (slice(0, 64), slice(64, 70)))
    found = training.evaluate(Fixed(), batches)
    ranks = [
        sorted(row.tolist(), reverse=True).index(row[label].item()) for row, label in zip(logits, labels, strict=True)
    ]
    assert found["test_error"] == pytest.approx(100 * sum(rank > 0 for rank in ranks) / 70)
    assert found["test_top5_error"] == pytest.approx(100 * sum(rank > 4 for rank in ranks) / 70)
    assert found["test_loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-6)


def test_evaluation_waits_for_the_device_once(few_digits, monkeypatch):
    def wait(tensor):
        raise AssertionError("waits for the device")

    monkeypatch.setattr(torch.Tensor, "item", wait)
    assert 0 < training.evaluate(final_network("nasbench201"), few_digits.test_batches(16))["test_error"] <= 100


@pytest.mark.parametrize(
    ("device", "pixels", "sizes"),
    [("cpu", 32, [256] * 8), ("meta", 32, [1024] * 2), ("meta", 64, [256] * 8), ("meta", 96, [256] * 8)],
)
def test_a_gpu_tests_more_images_at_once(device, pixels, sizes):
    """The CPU's 256 are part of its results: sums are rounded by the batch."""
    images, labels = (torch.empty(*shape, device=device) for shape in ((2048, 3, pixels, pixels), (2048,)))
    assert [len(batch) for _, batch in Data(images, labels, images, labels, 10).test_batches()] == sizes


@pytest.mark.parametrize(
    ("seconds", "times", "saved"), [(0, 0, [1, 2, 3, 4, 5]), (60, 1e9, [1, 5]), (60, 0, [1, 2, 3, 4, 5])]
)
def test_an_epoch_ends_with_a_checkpoint_unless_that_costs_much(
    few_digits, tmp_path, monkeypatch, seconds, times, saved
):
    steps = []

    class Watched(Checkpoints):
        def save(self, state, step):
            steps.append(step)

    monkeypatch.setattr(training, "SAVE_EPOCH", (seconds, times))
    training.train(
        final_network("nasbench201"), few_digits, replace(PROTOCOL, epochs=5), 0, CPU, job=Job(Watched(tmp_path))
    )
    assert [step // 3 for step in steps] == saved


def test_memory_layout_changes_nothing_but_rounding():
    """Each half of a FactorizedReduce takes its pixels in another way when channels come last."""
    layer = FactorizedReduce(6, 8, affine=True).double()
    x = torch.randn(3, 6, 8, 8, dtype=torch.float64)
    weights, found = torch.randn(3, 8, 4, 4, dtype=torch.float64), []
    for layout in (torch.contiguous_format, torch.channels_last):
        images = x.clone(memory_format=layout).requires_grad_()
        (layer(images) * weights).sum().backward()
        found.append((images.grad.clone(), layer.even.weight.grad.clone(), layer.odd.weight.grad.clone()))
        layer.zero_grad()
    for first, last in zip(*found, strict=True):
        torch.testing.assert_close(first, last)


def test_interrupted_mobilenet_training_ends_bit_equal(few_digits, tmp_path):
    """Its rate follows the step, two groups of parameters have a momentum, dropout draws random numbers."""
    protocol = Protocol(
        *(3, 24, 0.1, "linear-steps-released", 0.9, 4e-5, 5.0, 0.0, 0.0, 0.1), decay="convolutions", reshuffle=False
    )
    whole, cut = final_network("mobilenet"), final_network("mobilenet")
    history = training.train(whole, few_digits, protocol, 2, CPU)
    calls = iter(range(100))
    with pytest.raises(Interrupted, match="epoch 1, step 2 of 3"):
        training.train(cut, few_digits, protocol, 2, CPU, job=Job(Checkpoints(tmp_path), lambda: next(calls) >= 5))
    resumed = final_network("mobilenet")
    rest = training.train(resumed, few_digits, protocol, 2, CPU, job=Job(Checkpoints(tmp_path)))
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)
    times = ("train_seconds", "seconds")
    assert [{k: v for k, v in row.items() if k not in times} for row in rest] == [
        {k: v for k, v in row.items() if k not in times} for row in history
    ]
