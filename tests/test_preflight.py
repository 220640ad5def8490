"""What a training will need is measured before it begins, and a batch that does not fit is refused."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from freedarts import spaces, training
from freedarts.files import InputError, read_json
from freedarts.jobs.checkpoints import Interrupted
from freedarts.jobs.environment import Engine
from freedarts.tasks import digits
from freedarts.training import preflight, retrain
from freedarts.training.protocol import Protocol
from freedarts.training.steps import Steps
from tests.support import ROOT, TINY_TASK, Script, assert_refused, options, write

CPU = Engine(torch.device("cpu"))
PROTOCOL = Protocol(**TINY_TASK["protocol"])
GENOTYPE = ROOT / "resources/genotypes/notebook-snip/nasbench201/seed4.json"
GIVEN = {"--genotype": GENOTYPE, "--settings": json.dumps(TINY_TASK), "--output": "out/preflight.json"}


def small_network() -> torch.nn.Module:
    torch.manual_seed(0)
    space = spaces.load("nasbench201")
    return space.network(space.from_index(6818), **TINY_TASK["network"])


class Limited(torch.nn.Module):
    """A device with room for *images* images."""

    image_shape = (3, 8, 8)

    def __init__(self, images: int, error: Exception):
        super().__init__()
        self.layer = torch.nn.Linear(192, 10)
        self.images, self.error, self.seen = images, error, []

    def forward(self, images):
        if len(images) > self.images:
            raise self.error
        return self.layer(images.flatten(1)), None

    def __deepcopy__(self, memo):
        return self


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] . DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("room", [2, 17, 30, 31])
def test_largest_batch_that_fits_is_named(error, room):
    message = f"protocol.batch_size: 32 images do not fit into the memory of cpu .*, but {room} do; "
    with pytest.raises(InputError, match=message):
        preflight.preflight(Limited(room, error), 10, PROTOCOL, CPU)


def test_on_several_gpus_the_batch_is_what_they_hold_together():
    with pytest.raises(InputError, match=r"32 images do not fit into the memory of 2 x cpu .*, but 30 do; "):
        preflight.preflight(Limited(15, ERRORS[0]), 10, PROTOCOL, replace(CPU, processes=2))


def test_a_gpu_that_is_shared_is_named_as_such():
    with pytest.raises(
        InputError, match=r"cpu .*, of which each of 2 trainings has its part \(`share` in the task\), but"
    ):
        preflight.preflight(Limited(15, ERRORS[0]), 10, PROTOCOL, replace(CPU, share=2))


def test_not_even_two_images_fit():
    with pytest.raises(InputError, match="nor do 2; "):
        preflight.preflight(Limited(1, ERRORS[0]), 10, PROTOCOL, CPU)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="a bug"):
        preflight.preflight(Limited(4, RuntimeError("a bug")), 10, PROTOCOL, CPU)


def test_nothing_is_changed():
    network = small_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    found = preflight.preflight(network, 10, PROTOCOL, CPU)
    assert found["batch_size"] == 32
    assert found["images_per_second"] > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.long
def test_memory_grows_with_the_batch(tmp_path):
    """In processes of their own: in one that has run before, memory that it has freed serves again."""
    peaks = []
    for batch in (32, 512):
        settings = TINY_TASK | {"protocol": TINY_TASK["protocol"] | {"batch_size": batch}}
        given = GIVEN | {"--settings": json.dumps(settings), "--output": tmp_path / f"{batch}.json"}
        process = Script("preflight", *options(given))
        output = process.communicate()
        assert process.returncode == 0, output
        peaks.append(json.loads((tmp_path / f"{batch}.json").read_text())["peak_memory_mb"])
    assert peaks[1] > peaks[0] + 20 > 20


def test_script_writes_the_figures(script, tmp_path):
    assert script("preflight", *options(GIVEN)) == (0, "")
    figures = read_json(tmp_path / "out/preflight.json")
    assert set(figures) == {
        "batch_size",
        "peak_memory_mb",
        "images_per_second",
        "step",
        "steps",
        "precision",
        "device",
        "processes",
    }


def test_script_names_the_largest_batch(script, monkeypatch):
    take = Steps.take

    def planted(steps, inputs, *others):
        if len(inputs) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return take(steps, inputs, *others)

    monkeypatch.setattr(Steps, "take", planted)
    assert_refused(script("preflight", *options(GIVEN)), "protocol.batch_size: 32 images do not fit into the memory of")


def test_training_on_a_gpu_begins_with_a_preflight(tmp_path, monkeypatch):
    """There is no GPU here: the preflight is where the training would first use it."""

    def refuse(network, classes, protocol, engine, stop):
        assert (classes, protocol, engine.device.type) == (10, PROTOCOL, "cuda")
        raise InputError("does not fit")

    monkeypatch.setattr(retrain, "preflight", refuse)
    monkeypatch.setattr(retrain, "device_name", lambda device: "GPU")
    job = retrain.Run(GENOTYPE, "tiny", TINY_TASK, 0)
    with pytest.raises(InputError, match="does not fit"):
        retrain.retrain(job, Engine(torch.device("cuda")), tmp_path, lambda: False, tmp_path / "out" / "metrics.json")
    assert not (tmp_path / "out").exists()


def test_training_that_goes_on_has_no_preflight(tmp_path, monkeypatch):
    answers = iter([{"step": "captured"}, {"step": "compiled"}, {"step": "eager"}])
    monkeypatch.setattr(retrain, "preflight", lambda *_: next(answers))
    monkeypatch.setattr(retrain, "device_name", lambda device: name)
    ways = []

    def stopped(*others):
        ways.append(others[-2])
        raise Interrupted

    monkeypatch.setattr(training, "train", stopped)

    def attempt(run: int, **settings) -> str:
        job = retrain.Run(GENOTYPE, "tiny", TINY_TASK | settings, run)
        with pytest.raises(Interrupted):
            retrain.retrain(job, Engine(torch.device("cuda"), way="auto"), tmp_path, lambda: False, tmp_path / "m.json")
        return ways[-1]

    name = "GPU A"
    assert [attempt(0), attempt(0), attempt(1)] == ["captured"] * 3  # and equal jobs take its choice over
    name = "GPU B"
    assert [attempt(2), attempt(0), attempt(1)] == ["compiled", "captured", "captured"]
    other = TINY_TASK["protocol"] | {"batch_size": 16}
    assert [attempt(0, protocol=other), attempt(2)] == ["eager", "compiled"]


CUDNN = [
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "FIND was unable to find an engine to execute this computation",
]


@pytest.mark.parametrize("error", [*ERRORS, *map(RuntimeError, CUDNN), MemoryError()])
def test_training_that_runs_out_of_memory_says_what_to_do(tmp_path, monkeypatch, error):
    take, steps = Steps.take, iter(range(1000))

    def planted(*arguments, **options):
        if next(steps) == room:
            raise error
        return take(*arguments, **options)

    monkeypatch.setattr(Steps, "take", planted)
    whole = digits.load()
    few = replace(whole, train_images=whole.train_images[:96], train_labels=whole.train_labels[:96])
    monkeypatch.setattr(digits, "load", lambda folder: few)
    job = retrain.Run(GENOTYPE, "tiny", TINY_TASK, 0)
    message = r"task tiny: protocol.batch_size: 32 images do not fit .* cpu .*; `freedarts preflight`"
    for room, left in ((0, set()), (4, {"progress.json", "tensorboard"})):  # at once, and in the second epoch
        folder = tmp_path / str(room)
        with pytest.raises(InputError, match=message):
            retrain.retrain(job, CPU, folder / "checkpoints", lambda: False, folder / "out" / "metrics.json")
        assert {path.name for path in (folder / "out").iterdir()} == left


def test_training_that_fails_when_it_is_told_to_stop_is_stopped(tmp_path, monkeypatch):
    """A signal to a whole job also ends the processes that compile for it."""

    def planted(*arguments, **options):
        raise RuntimeError("A process of the compiler\nwas ended")

    monkeypatch.setattr(Steps, "take", planted)
    job = retrain.Run(GENOTYPE, "tiny", TINY_TASK, 0)
    for told, error in ((True, Interrupted), (False, RuntimeError)):
        with pytest.raises(error, match=r"A process of the compiler\swas ended"):
            retrain.retrain(job, CPU, tmp_path / "checkpoints", lambda told=told: told, tmp_path / "metrics.json")


@pytest.mark.workflow
def test_a_task_says_on_what_and_how_it_is_trained(tmp_path):
    overlay = {
        "tasks": {"tiny": TINY_TASK | {"gpus": 2, "precision": "float32", "step": "eager"}},
        **{"search": [], "costs": []},
        "sources": {"notebook-snip": {"supernets": ["nasbench201"], "seeds": [4]}},
        "retrain": [{"task": "tiny", "supernet": "nasbench201", "source": "notebook-snip", "runs": 1}],
    }
    config = write(tmp_path / "overlay.json", overlay)
    targets = [f"results/{kind}/tiny/nasbench201/notebook-snip/seed4" for kind in ("retrain", "preflight", "evaluate")]
    command = [sys.executable, "-m", "snakemake", f"{targets[0]}/run0/metrics.json", f"{targets[1]}.json"]
    command += [f"{targets[2]}/run0.json", "--snakefile", ROOT / "Snakefile", "-n", "-p", "--configfile", config]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)
    said = done.stdout + done.stderr
    for script, expected in {
        "retrain": "--gpus 2 --precision float32 --step eager ",
        "preflight": "--gpus 2 --precision float32 --step eager ",
        "evaluate": "--gpus 1 --precision float32 ",
    }.items():
        (line,) = [line for line in said.splitlines() if f"-m scripts.{script} " in line]
        assert expected in line
