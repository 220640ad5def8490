"""The ways to run a step: all take the same steps, and what is captured finds its memory where it lay."""

import shutil
from argparse import Namespace
from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from freedarts import tasks, training
from freedarts.files import InputError
from freedarts.jobs import environment
from freedarts.jobs.checkpoints import Checkpoints, Interrupted
from freedarts.jobs.environment import AUTO, BOTH, CAPTURED, CAPTURES, COMPILED, EAGER, WAYS, Engine
from freedarts.spaces import SPACES
from freedarts.study.settings import task_faults
from freedarts.training import Job, Protocol, preflight
from freedarts.training.steps import WARM_UP, Counters, Steps, drop_path, optimizer
from tests.support import final_network

CPU = torch.device("cpu")
PROTOCOL = Protocol(2, 12, 0.0625, "cosine", 0.9, 0.01, 0.5, 0.4, 0.4, 0.1)
GPP = pytest.mark.skipif(not shutil.which("g++"), reason="compiling for a CPU needs g++")


class Calls(TorchDispatchMode):
    """Notes the calls of kernels, each with its numbers, and with the place, shape and strides of each tensor that was
    there before."""

    def __init__(self):
        super().__init__()
        self.calls, self._made = [], set()

    def __torch_dispatch__(self, call, types, arguments=(), options=None):
        options = options or {}
        seen = [str(call)]
        for value in tree_leaves((arguments, options)):
            if isinstance(value, int | float):
                seen.append(value)
            elif torch.is_tensor(value) and value.untyped_storage().data_ptr() not in self._made:
                seen.append((value.data_ptr(), value.shape, value.stride()))
        if "profiler" not in seen[0]:
            self.calls.append(seen)
        results = call(*arguments, **options)
        there = {
            value.untyped_storage().data_ptr() for value in tree_leaves((arguments, options)) if torch.is_tensor(value)
        }
        made = {value.untyped_storage().data_ptr() for value in tree_leaves(results) if torch.is_tensor(value)}
        self._made |= made - there
        return results


class Static:
    """Stands for a CUDA graph, which repeats the same calls, with the same numbers, on the same memory."""

    recorded = 0

    def warm_up(self, step):
        return step()

    def record(self, step):
        Static.recorded += 1
        first = None

        def replay():
            nonlocal first
            with Calls() as noted:
                results = step()
            assert not [call for call in noted.calls if "_local_scalar_dense" in call[0]], "waits for the device"
            first = first or noted.calls
            for here, there in zip(noted.calls, first, strict=True):
                assert here == there, "memory or numbers that a recorded step does not look up"
            return results

        return replay


@pytest.fixture
def static(monkeypatch):
    Static.recorded = 0
    monkeypatch.setattr(training, "Steps", partial(Steps, recorder=Static))


def untimed(history: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if "seconds" not in key} for row in history]


@pytest.mark.long
@pytest.mark.parametrize("name", SPACES)
def test_captured_steps_are_those_of_eager_and_static(few_digits, static, name):
    """With drop path, dropout, tests between the epochs, and a last batch that is smaller."""
    images, labels = few_digits.train_images[:54].double(), few_digits.train_labels[:54]
    few = training.Data(images, labels, images[:9], labels[:9], 10)
    # 21 blocks amplify rounding, from which the rates of PROTOCOL are free in the tensor that holds them.
    networks = [final_network(name).double() for _ in range(2)]
    rows = [
        training.train(network, few, PROTOCOL, 5, CPU, way=way)
        for network, way in zip(networks, (EAGER, CAPTURED), strict=True)
    ]
    assert Static.recorded == 1
    for row, expected in zip(*rows, strict=True):
        assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-4)
    found, expected = (torch.cat([weight.flatten() for weight in network.parameters()]) for network in networks)
    assert (found - expected).norm() < 1e-3 * expected.norm()


def test_captured_training_that_is_stopped_goes_on_bit_equal(few_digits, static, tmp_path):
    whole, cut, resumed = (final_network("nasbench201") for _ in range(3))
    history = training.train(whole, few_digits, PROTOCOL, 2, CPU, way=CAPTURED)
    calls = iter(range(100))
    with pytest.raises(Interrupted, match="epoch 1, step 2 of 5"):
        training.train(
            cut, few_digits, PROTOCOL, 2, CPU, way=CAPTURED, job=Job(Checkpoints(tmp_path), lambda: next(calls) >= 7)
        )
    rest = training.train(resumed, few_digits, PROTOCOL, 2, CPU, way=CAPTURED, job=Job(Checkpoints(tmp_path)))
    assert untimed(rest) == untimed(history)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("fault", ["rate", "drop path", "weights", "wait"])
def test_what_moves_or_waits_is_noticed(fault):
    """The stand-in itself."""
    network = final_network("darts").train()
    network.drop_path = drop_path(PROTOCOL, CPU)
    sgd = optimizer(network, PROTOCOL, CAPTURED)
    steps = Steps(network, sgd, PROTOCOL, way=CAPTURED, recorder=Static)
    images, labels = torch.randn(12, 3, 32, 32), torch.arange(12) % 10
    for _ in range(WARM_UP + 2):
        steps.take(images, labels, 0.1)
    if fault == "rate":
        sgd.param_groups[0]["lr"] = torch.tensor(0.2)
    elif fault == "drop path":
        network.drop_path = torch.tensor(0.2)
    elif fault == "weights":
        network.classifier.weight.data = network.classifier.weight.data.clone()
    else:
        network.register_forward_hook(lambda module, inputs, outputs: outputs[0].sum().item() and None)
    with pytest.raises((AssertionError, ValueError)):
        steps.take(images, labels, 0.1)


def test_a_step_draws_all_masks_at_once_and_counts_no_batches():
    network = final_network("darts").train()
    network.drop_path = drop_path(PROTOCOL, CPU)
    cuda = torch.device("cuda")

    def calls() -> list[str]:
        with Calls() as noted:
            Steps(network, optimizer(network, PROTOCOL), PROTOCOL).take(images, labels, 0.1)
        return [call[0] for call in noted.calls]

    images, labels = torch.randn(12, 3, 32, 32), torch.arange(12) % 10
    names = calls()
    norms = sum(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    assert sum("aten.rand" in name for name in names) == 1
    before = network.state_dict().keys()
    counters = Counters(network, cuda)
    assert len(calls()) == len(names) - norms
    counters.show(7)
    assert network.state_dict().keys() == before
    assert {int(value) for key, value in network.state_dict().items() if "num_batches" in key} == {7}


class Small(torch.nn.Module):
    """Two like cells and another, which takes a compiler seconds."""

    image_shape = (3, 8, 8)

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.cells = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.Conv2d(c, 4, 1, bias=False), torch.nn.BatchNorm2d(4)) for c in (3, 4, 4)
        )
        self.classifier = torch.nn.Linear(4, 10)

    def forward(self, images):
        for cell in self.cells:
            images = cell(images)
        return self.classifier(images.mean((2, 3))), None


def small_preflight(way: str, **options) -> dict:
    return preflight.preflight(Small(), 10, PROTOCOL, Engine(CPU, way=way), recorder=Static, **options)


@pytest.mark.long
@GPP
def test_preflight_tries_every_way_and_takes_the_fastest():
    """The compiled step cannot be noted call by call, so its stand-in only checks that nothing fails."""
    found = small_preflight(AUTO)
    assert list(found["steps"]) == list(WAYS)
    speeds = {way: figures["images_per_second"] for way, figures in found["steps"].items()}
    assert found["images_per_second"] == max(speeds.values()) == speeds[found["step"]]


@pytest.fixture
def without_compiler(monkeypatch):
    def broken(graph, inputs, **options):
        raise RuntimeError("no C++ compiler")

    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    yield
    torch._dynamo.reset()


@pytest.mark.long
def test_a_way_that_fails_is_dropped_with_a_line(without_compiler, capsys):
    found = small_preflight(AUTO)
    assert set(found["steps"]) == {EAGER, CAPTURED}
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == [f"steps are not {way}" for way in (COMPILED, BOTH)]
    assert all("no C++ compiler" in line for line in said)


@pytest.mark.long
def test_a_forced_way_that_fails_is_refused(without_compiler):
    with pytest.raises(
        InputError, match=r"--step compiled \(`step` in the task\): .*no C\+\+ compiler.*; `auto` takes"
    ):
        small_preflight(COMPILED)


def test_a_forced_way_is_taken_and_no_other_tried():
    assert list(small_preflight(CAPTURED)["steps"]) == [CAPTURED]
    assert list(small_preflight(EAGER)["steps"]) == [EAGER]


def test_a_way_that_deviates_or_lacks_memory_is_dropped(monkeypatch, capsys):
    real = preflight._Preflight._trial

    def planted(trials, way, *others):
        if way == BOTH:
            raise torch.OutOfMemoryError("CUDA out of memory")
        trial = real(trials, EAGER, *others)
        if way == COMPILED:
            trial.results[1] = 1.02 * trial.results[1]
        if way == CAPTURED:
            trial.seconds /= 100
            trial.results[1] = 1.005 * trial.results[1]
        return trial

    monkeypatch.setattr(preflight._Preflight, "_trial", planted)
    found = small_preflight(AUTO)
    assert (found["step"], set(found["steps"])) == (CAPTURED, {EAGER, CAPTURED})
    assert capsys.readouterr().out.splitlines() == [
        "steps are not compiled: in float32 it is 2.0e-02 off an eager step in float32; allowed: 1.0e-02",
        "steps are not compiled-captured: the memory does not suffice",
    ]


@pytest.mark.parametrize(("apart", "off", "right"), [(0.02, 0.05, True), (0.02, 0.07, False), (0.0, 0.02, False)])
def test_what_is_allowed_depends_on_how_far_two_eager_steps_are_apart(monkeypatch, apart, off, right):
    real = preflight._Preflight._trial

    def planted(trials, way, bf16, batch, layout):
        trial = real(trials, EAGER, False, batch, torch.channels_last)
        off_here = apart if layout == torch.contiguous_format else off if way != EAGER and not bf16 else 0.0
        trial.results[1] = (1 + off_here) * trial.results[1]
        return trial

    monkeypatch.setattr(preflight._Preflight, "_trial", planted)
    found = preflight.preflight(Small(), 10, PROTOCOL, Engine(CPU, bf16=True, way=AUTO))
    assert (CAPTURED in found["steps"]) == right


def test_not_a_number_is_no_agreement(monkeypatch):
    real = preflight._Preflight._trial

    def planted(trials, way, *others):
        trial = real(trials, EAGER, *others)
        trial.results[0] = trial.results[0] * (1 if way == EAGER else float("nan"))
        return trial

    monkeypatch.setattr(preflight._Preflight, "_trial", planted)
    assert list(small_preflight(AUTO)["steps"]) == [EAGER]


def test_order_to_stop_ends_the_preflight():
    with pytest.raises(Interrupted, match="stopped in its preflight"):
        small_preflight(AUTO, stop=lambda: True)


@pytest.mark.parametrize("way", CAPTURES)
def test_captured_steps_need_one_gpu(config, way):
    arguments = Namespace(gpus=0, processes=1, threads=torch.get_num_threads(), precision="auto", step=way)
    with pytest.raises(InputError, match=rf"--step {way} \(`step` in the task\): needs one GPU; allowed here: auto"):
        environment.engine(arguments)
    for gpus in (0, 2):
        task = config["tasks"]["digits"] | {"step": way, "gpus": gpus}
        assert next(task_faults(task, tasks.DATASETS)) == f"step: {way}, but gpus: {gpus}; it needs one GPU"
    assert list(task_faults(task | {"gpus": 1}, tasks.DATASETS)) == []
