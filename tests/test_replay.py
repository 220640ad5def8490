"""Replays of the release's logs: the steps, the copies, and the rule that says how far a log was followed."""

import json
import math
import statistics
from dataclasses import replace

import pytest
import torch

from freedarts import tasks
from freedarts.files import InputError
from freedarts.jobs.checkpoints import Interrupted
from freedarts.study import replays
from freedarts.study.catalogue import Catalogue
from freedarts.tasks import Data, cifar, released
from freedarts.training.replay import Means, Replay, change, replay
from tests.support import ROOT

SCHEMA, LOGS = ROOT / "config" / "schema.yaml", ROOT / "resources" / "replays.yaml"
CPU = torch.device("cpu")
GENOTYPE = ROOT / "resources" / "genotypes" / "published-synflow" / "darts-20" / "seed1.json"


def settings(config: dict, **network) -> dict:
    task = config["tasks"]["cifar10-c38"]
    network = {**task["network"], **network}
    return {
        "space": "darts",
        "dataset": "cifar10",
        "network": network,
        "protocol": task["protocol"],
        "training_seed": 1,
    }


@pytest.fixture
def small(config, monkeypatch):
    """A replay of a few steps of a narrow network on 40 images."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (40, 3, 32, 32), dtype=torch.uint8, generator=generator)
    data = Data(images, torch.arange(40) % 10, images[:4], torch.arange(4), 10, test=cifar.normalise)
    monkeypatch.setattr(tasks, "load", lambda *_, draw, **__: released.training_data(data) if draw else None)
    chosen = settings(config, channels=4, cells=5)
    chosen["protocol"] = {**chosen["protocol"], "batch_size": 8}
    return Replay(GENOTYPE, chosen, "run1", 4)


@pytest.mark.long
def test_a_replay_goes_on_where_it_was_stopped(small, tmp_path):
    whole = replay(small, CPU)
    orders = iter([False, True])
    with pytest.raises(Interrupted, match="stopped behind step 1 of 4"):
        replay(small, CPU, tmp_path, lambda: next(orders))
    went_on = replay(small, CPU, tmp_path)
    assert [whole[name] for name in replays.MEASURES] == [went_on[name] for name in replays.MEASURES]
    further = replay(replace(small, steps=5), CPU, tmp_path)
    assert further["loss"][:4] == whole["loss"]
    assert len(further["loss"]) == 5
    (folder,) = tmp_path.iterdir()
    assert max(folder.glob("step*.pt")).name == "step000000005.pt"


@pytest.mark.long
def test_copies_part_and_the_control_is_another_training(small):
    names = ("run1", "run2", "control")
    ours = {name: replay(replace(small, run=name), CPU) for name in names}
    first = [result["loss"][0] for result in ours.values()]
    assert first[0] == pytest.approx(first[1], abs=1e-4)
    assert first[0] != pytest.approx(first[2], abs=1e-2)
    assert ours["run1"]["loss"] != ours["run2"]["loss"]
    one = replay(replace(small, run="float64", steps=1), CPU)
    assert one["loss"] == [pytest.approx(first[0], abs=1e-4)]
    assert (ours["run1"]["training_seed"], ours["control"]["training_seed"]) == (1, 2)


def test_changed_weights_are_neighbours():
    network = torch.nn.Linear(100, 100)
    before = network.weight.clone()
    change(network, 3)
    above, below = (torch.nextafter(before, torch.full_like(before, way)) for way in (math.inf, -math.inf))
    ways = [(network.weight == other).float().mean().item() for other in (before, above, below)]
    assert ways == [pytest.approx(1 / 3, abs=0.03)] * 3
    assert sum(ways) == pytest.approx(1)


def test_means_are_over_all_images_so_far():
    means, generator = Means(), torch.Generator().manual_seed(0)
    batches = [(torch.randn(n, 10, generator=generator), torch.arange(n) % 10) for n in (8, 4)]
    for size, (logits, labels) in zip((2.0, 5.0), batches, strict=True):
        means.add(logits, torch.tensor(size), labels)
    logits, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert means.loss == [2.0, pytest.approx((2 * 8 + 5 * 4) / 12)]
    assert means.top1[-1] == pytest.approx(100 * (logits.argmax(1) == labels).double().mean().item())
    assert means.top5[-1] == pytest.approx(
        100 * (logits.argsort(descending=True)[:, :5] == labels[:, None]).any(1).double().mean().item()
    )


def result(losses: list[float], seed: int = 1) -> dict:
    """A run of 101 steps with these losses at the steps 0, 50 and 100."""
    loss = [0.0] * 101
    loss[0], loss[50], loss[100] = losses
    row = {"loss": loss, "top1": [10.0] * 101, "top5": [50.0] * 101}
    return {**row, "training_seed": seed, "device": "cpu", "versions": {}}


LOG = {
    "log": "l",
    "file": "f",
    "numbers": ["n"],
    "rows": [[0, 3.0, 10.0, 50.0], [50, 2.0, 10.0, 50.0], [100, 1.0, 9.0, 50.0]],
}
FIRST = {name: {**result([3.0, 0, 0]), "loss": [3.0]} for name in replays.FIRST}
COPIES = {f"run{n}": result([3.0 + n * 1e-6, 2.0 + n * 1e-2, 1.5 + n * 1e-3]) for n in (-1, 0, 1)}


def test_a_log_is_followed_up_to_the_first_row_that_is_off():
    found = replays.follow(LOG, {**FIRST, **COPIES, "control": result([3.2, 2.3, 1.2])})
    assert (found["verdict"], found["followed_to"], found["runs"], found["steps"]) == (
        "followed to step 50",
        50,
        3,
        101,
    )
    row = found["rows"][1]
    # t of 0.975 with two degrees of freedom is 4.303
    assert row["bound"] == pytest.approx(4.303 * statistics.stdev([1.99, 2.0, 2.01]) * math.sqrt(4 / 3))
    assert [row["within"] for row in found["rows"]] == [True, True, False]
    assert (row["off"], row["control_off"]) == (pytest.approx(0, abs=1e-9), pytest.approx(0.3))


def test_where_another_training_would_be_followed_too_nothing_can_be_told():
    found = replays.follow(LOG, {**FIRST, **COPIES, "control": result([3.2, 2.04, 1.2])})
    assert (found["verdict"], found["followed_to"]) == ("first step equal, then cannot tell", None)


def test_a_row_that_is_off_ends_it_whatever_comes_after():
    copies = {
        **COPIES,
        "run0": result([3.1, 2.0, 1.0]),
        "run-1": result([3.1, 2.0, 1.0]),
        "run1": result([3.1, 2.0, 1.0]),
    }
    found = replays.follow(LOG, {**FIRST, **copies, "control": result([3.2, 2.3, 1.2])})
    assert (found["verdict"], found["followed_to"]) == ("not followed", None)


@pytest.mark.parametrize(
    ("loss", "top1", "verdict"), [(3.0005, 10.0, "equal"), (3.002, 10.0, "differs"), (3.0, 11.0, "differs")]
)
def test_the_first_step_alone(loss, top1, verdict):
    first = {name: {**run, "loss": [loss], "top1": [top1]} for name, run in FIRST.items()}
    found = replays.follow(LOG, first)
    assert (found["verdict"], found["rows"]) == (f"first step {verdict}", [])
    assert found["first"]["float64"]["off"] == pytest.approx(loss - 3.0)


def test_student_t_is_that_of_its_density():
    """Integrated by the midpoint rule."""
    for freedom, quantile in replays.T.items():
        scale = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))
        width = quantile / 20_000
        points = ((n + 0.5) * width for n in range(20_000))
        inside = sum(scale * (1 + t * t / freedom) ** (-(freedom + 1) / 2) * width for t in points)
        assert inside == pytest.approx(0.475, abs=2e-5)


def test_logs_say_what_they_are_of(catalogue, shared):
    printed = json.loads((shared / "facts" / "published.json").read_text())["logs"]
    logs = replays.read(LOGS, SCHEMA)
    assert {log["file"] for log in logs.values()} == {log["log"] for log in printed.values()}
    for name in catalogue.replayable:
        facts = printed[name.replace("-", "_")]
        network = catalogue.config["tasks"][logs[name]["task"]]["network"]
        assert (logs[name]["training_seed"], network["channels"]) == (facts["train_seed"], facts["init_channels"])
    assert {number for log in logs.values() for number in log["numbers"]} <= set(catalogue.numbers)
    table = (shared / "facts" / "released-data.md").read_text()
    for name in catalogue.replayable:
        for _, loss, top1, top5 in logs[name]["rows"]:
            assert f"| {loss:.6f} | {top1:.6f} | {top5:.6f} |" in table


@pytest.mark.parametrize(
    ("run", "steps", "message"),
    [
        ("run0", 1, "run 'run0'; allowed: float64, float32, control, run1 to run99"),
        ("run1", 0, "steps 0 of run run1; allowed: 1 and above"),
        ("float64", 2, "steps 2 of run float64; allowed: 1"),
    ],
)
def test_bad_runs_are_named(config, run, steps, message):
    with pytest.raises(InputError, match=message):
        Replay(GENOTYPE, settings(config), run, steps)


def test_more_steps_than_the_first_epoch_has_are_refused(small):
    with pytest.raises(InputError, match="steps 6; allowed: 1 to 5, those of the first epoch"):
        replay(replace(small, steps=6), CPU)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"cifar100-dagger": {}},
            "replays.cifar100-dagger: cannot be replayed: .*; allowed: cifar10-dagger, cifar10-dd",
        ),
        ({"cifar10": {}}, "replays: unknown log 'cifar10'; known: cifar10-dagger, cifar10-ddagger"),
        ({"cifar10-dagger": {"runs": 2}}, "replays.cifar10-dagger.runs: 2 is less than the minimum of 3"),
        ({"cifar10-dagger": {"steps": 522}}, "replays.cifar10-dagger.steps: 522 is greater than the maximum of 521"),
    ],
)
def test_bad_entries_of_the_configuration_are_named(config, entry, message):
    with pytest.raises(InputError, match=message):
        Catalogue({**config, "replays": entry}, ROOT)


@pytest.mark.long
def test_the_first_loss_of_a_published_training(config, cifar10):
    """FreeDARTS dagger on CIFAR-10, to the digits that its log prints."""
    found = replay(Replay(GENOTYPE, settings(config), "float32", 1, cifar10), CPU)
    log = replays.read(LOGS, SCHEMA)["cifar10-dagger"]
    assert found["loss"] == [pytest.approx(log["rows"][0][1], abs=2e-6)]
    assert [found["top1"][0], found["top5"][0]] == [pytest.approx(value, abs=1e-5) for value in log["rows"][0][2:]]
