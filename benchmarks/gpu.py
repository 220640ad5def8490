"""What no CPU can tell of the training engine, on any GPU, in 8 minutes: `python -m benchmarks.gpu`.

Each part is a process of its own with a deadline, and says what it has found as it goes; the last line is one JSON with
all of it, also where parts fail; they are the tests that need a GPU. It needs torch and numpy alone. `--small` tries it
on a CPU, with a tiny network.
`--replay data/cifar10.json` also takes 201 steps of a published log, for which the whole environment is needed.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from io import StringIO
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import ROOT
from freedarts import genotype, search, spaces, training
from freedarts.files import InputError
from freedarts.jobs import gpus
from freedarts.jobs.checkpoints import Checkpoints, Interrupted, StopSignals
from freedarts.jobs.environment import AUTO, EAGER, WAYS, Engine, device_name, set_up, use_bf16
from freedarts.scores import Score
from freedarts.tasks import Data, cifar
from freedarts.training.preflight import preflight
from freedarts.training.protocol import Protocol
from freedarts.training.steps import WARM_UP, Counters, Steps, optimizer

GENOTYPE = ROOT / "resources/genotypes/published-synflow/darts-20/seed1.json"
# The task cifar10 of the configuration, whose file needs a reader.
NETWORK = {"channels": 36, "cells": 20, "stem_kind": "cifar", "image_size": 32, "classes": 10, "auxiliary": True}
PROTOCOL = Protocol(600, 96, 0.025, "cosine-released", 0.9, 3e-4, 5.0, 0.2, 0.4, 0.0)
# Seconds that each part may take, in their order; TOTAL ends what runs then: the replay, where others took all theirs.
PARTS = {"gradients": 30, "ways": 150, "share": 90, "too_large": 25, "search": 40, "resume": 70, "replay": 180}
TOTAL = 480
SHARES = 1, 2, 4
LOG, REPLAYED = "cifar10-dagger", 201  # the log of GENOTYPE, and its steps


class Part:
    """What a part of the benchmark knows, and says."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments, self.small = arguments, arguments.small
        self.device = set_up("cpu" if self.small else "cuda", 1, fastest=arguments.part not in ("search", "resume"))
        torch.set_deterministic_debug_mode("default")
        self.bf16 = use_bf16("auto", self.device)
        self.protocol = replace(PROTOCOL, batch_size=8) if self.small else PROTOCOL
        self.seconds = 0.3 if self.small else 6.0  # of a stretch that is timed

    def say(self, **values) -> None:
        """A line that holds what is new."""
        print(json.dumps(values), flush=True)

    def network(self) -> nn.Module:
        torch.manual_seed(0)
        options = NETWORK | ({"channels": 4, "cells": 3} if self.small else {})
        return spaces.load("darts").network(genotype.read(GENOTYPE), **options)

    def batch(self, size: int | None = None) -> tuple[Tensor, Tensor]:
        size = size or self.protocol.batch_size
        generator = torch.Generator().manual_seed(1)
        images = torch.randn(size, 3, 32, 32, generator=generator)
        return images.to(self.device), (torch.arange(size) % 10).to(self.device)

    def steps(self, way: str, bf16: bool) -> Steps:
        network = self.network().to(self.device, memory_format=torch.channels_last).train()
        network.drop_path = torch.tensor(0.1, device=self.device)
        Counters(network, self.device)
        return Steps(network, optimizer(network, self.protocol, way), self.protocol, bf16, way)


def gradients(part: Part) -> None:
    """Relative distance of an eager step's gradients from those of the CPU in float64."""
    images, labels = part.batch(16)

    def gradient(device: torch.device, dtype: torch.dtype, bf16: bool) -> Tensor:
        network = part.network().to(device, dtype, memory_format=torch.channels_last).train()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits, _ = network(images.to(device, dtype).contiguous(memory_format=torch.channels_last))
        F.cross_entropy(logits, labels.to(device)).backward()
        return torch.cat([p.grad.double().cpu().flatten() for p in network.parameters() if p.grad is not None])

    exact = gradient(torch.device("cpu"), torch.float64, False)
    for bf16 in (False, True) if part.bf16 else (False,):
        found = gradient(part.device, torch.float32, bf16)
        part.say(**{"bf16" if bf16 else "float32": f"{((found - exact).norm() / exact.norm()).item():.1e}"})


def plain(part: Part) -> float:
    """Images per second of a step of the release's kind: float32 (TF32), channels first, and a wait in every step."""
    network, (images, labels) = part.network().to(part.device).train(), part.batch()
    sgd = torch.optim.SGD(network.parameters(), 0.025, 0.9, weight_decay=3e-4)
    network.drop_path = torch.tensor(0.1, device=part.device)
    before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, True

    def step() -> float:
        sgd.zero_grad()
        logits, auxiliary = network(images)
        (F.cross_entropy(logits, labels) + 0.4 * F.cross_entropy(auxiliary, labels)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        sgd.step()
        return logits.sum().item()

    step()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < part.seconds:
        step()
        count += 1
    torch.backends.cudnn.allow_tf32 = before
    return count * len(labels) / (time.perf_counter() - start)


def kernels(part: Part, way: str, bf16: bool) -> dict:
    """Of one step: how many, the device's milliseconds, and the dearest with their count and milliseconds."""
    steps, (images, labels) = part.steps(way, bf16), part.batch()
    for _ in range(WARM_UP + 2):
        steps.take(images, labels, 0.025)[2].item()
    kind = torch.profiler.ProfilerActivity.CPU if part.small else torch.profiler.ProfilerActivity.CUDA
    with torch.profiler.profile(activities=[kind]) as profile:
        steps.take(images, labels, 0.025)[2].item()
    counts, times = Counter(), Counter()
    for event in profile.events():
        if part.small or "CUDA" in str(event.device_type):
            counts[event.name] += 1
            times[event.name] += event.time_range.elapsed_us() / 1000
    dearest = [[name[:60], counts[name], round(spent, 2)] for name, spent in times.most_common(6)]
    return {"kernels": sum(counts.values()), "ms": round(sum(times.values()), 2), "dearest": dearest}


def ways(part: Part) -> None:
    """What preflight finds, in the training's precision and in float32; the plain loop; kernels."""
    part.say(plain_images_per_second=round(plain(part), 1))
    way = part.arguments.way or (EAGER if part.small else AUTO)
    for bf16 in (True, False) if part.bf16 else (False,):
        name, log = "bf16" if bf16 else "float32", StringIO()
        with redirect_stdout(log):
            found = preflight(part.network(), 10, part.protocol, Engine(part.device, bf16, way))
        part.say(**{name: found, f"{name}_dropped": log.getvalue().splitlines()})
        for tried in (tried for tried in WAYS if tried in found["steps"]):
            part.say(**{f"{name}_{tried}": kernels(part, tried, bf16)})


def share(part: Part) -> None:
    """Images per second of 1, 2 and 4 trainings on the device together, captured and eager."""
    for way in (EAGER,) if part.small else (EAGER, "captured"):
        for count in SHARES:
            command = [*part.arguments.command, "--part", "work", "--way", way]
            started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
            said = [process.communicate()[0].splitlines() for process in started]
            speeds = [json.loads(lines[-1])["images_per_second"] if lines else None for lines in said]
            total = None if None in speeds else round(sum(speeds), 1)
            part.say(**{f"{way}_{count}": {"images_per_second": total, "each": speeds}})


def work(part: Part) -> None:
    """One of the trainings that share a device."""
    steps, (images, labels) = part.steps(part.arguments.way, part.bf16), part.batch()
    for _ in range(WARM_UP + 2):
        steps.take(images, labels, 0.025)[2].item()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < part.seconds:
        for _ in range(5):
            total = steps.take(images, labels, 0.025)[2]
            count += 1
        total.item()
    part.say(images_per_second=round(count * len(labels) / (time.perf_counter() - start), 1))


def too_large(part: Part) -> None:
    """What preflight says of a batch that does not fit."""
    if part.small:
        part.say(skipped="a CPU has too much memory to try it")
        return
    size, start = 200_000, time.perf_counter()
    try:
        preflight(part.network(), 10, replace(part.protocol, batch_size=size), Engine(part.device, part.bf16, EAGER))
        part.say(failed=f"{size} images fit")
    except InputError as error:
        part.say(message=str(error), seconds=round(time.perf_counter() - start, 1))


def scores(part: Part) -> None:
    """Of two supernets: the device's against the CPU's, twice, in seconds and as a share of the largest."""
    ways = {"synflow": {"batch_norm": "train", "gates": "ones", "positive_gates": True, "positive_weights": True}}
    ways["snip"] = {"batch_norm": "train", "gates": "normal", "positive_gates": False, "positive_weights": False}
    ways["snip"] |= {"gate_scale": 1e-3, "data": {"dataset": "digits", "batch_size": 8}}
    for name, settings in ways.items():
        score = Score(proxy=name, precision="float64" if name == "synflow" else "float32", **settings)
        found, seconds = [], []
        for device in (torch.device("cpu"), part.device, part.device):
            supernet = search.build("darts", {"channels": 16 if not part.small else 4, **SUPERNET}, 0).to(device)
            batch = None if name == "synflow" else tuple(tensor.cpu() for tensor in part.batch(8))
            start = time.perf_counter()
            _, matrices = search.compute(supernet, score, batch)
            seconds.append(round(time.perf_counter() - start, 2))
            found.append(torch.cat([matrix.double().flatten() for matrix in matrices.values()]))
        cpu, first, again = found
        difference = ((first - cpu).abs().max() / cpu.abs().max()).item()
        part.say(**{name: {"difference": f"{difference:.1e}", "again_equal": torch.equal(first, again), "s": seconds}})


SUPERNET = {"cells": 8, "stem_kind": "cifar", "image_size": 32, "classes": 10}


def data(part: Part) -> Data:
    draw = torch.Generator().manual_seed(2)
    images = torch.randint(0, 256, (10 * part.protocol.batch_size, 3, 32, 32), dtype=torch.uint8, generator=draw)
    labels = torch.arange(len(images)) % 10
    return Data(images, labels, images[:50], labels[:50], 10, train=cifar.augment, test=cifar.normalise)


def resume(part: Part) -> None:
    """Two epochs, whole and with kill -9 and SIGTERM, on deterministic kernels; the test in another process."""
    for way in (EAGER,) if part.small else (EAGER, "captured"):
        with tempfile.TemporaryDirectory() as name:
            command = [*part.arguments.command, "--part", "train", "--way", way, "--folder"]
            whole = subprocess.run([*command, f"{name}/whole"], capture_output=True, text=True)
            codes = []
            for number in (signal.SIGKILL, signal.SIGTERM):
                process = subprocess.Popen(
                    [*command, f"{name}/cut"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                saved = set(Path(name, "cut").glob("step*.pt"))
                while process.poll() is None and set(Path(name, "cut").glob("step*.pt")) <= saved:
                    time.sleep(0.01)
                process.send_signal(number)
                codes.append(process.wait())
            cut = subprocess.run([*command, f"{name}/cut"], capture_output=True, text=True)
            if whole.returncode or cut.returncode:
                part.say(**{way: {"failed": (whole.stderr + cut.stderr)[-400:]}})
                continue
            ends = [json.loads(done.stdout.splitlines()[-1]) for done in (whole, cut)]
            network = part.network().to(part.device)
            network.load_state_dict(torch.load(f"{name}/whole/weights", weights_only=True))
            tested = training.evaluate(network, data(part).to(part.device).test_batches(), part.bf16)
            equal = {key: tested[key] == ends[0][key] for key in tested}
            part.say(
                **{way: {"codes": codes, "bit_equal": ends[0] == ends[1], "ends": ends, "evaluation_equal": equal}}
            )


def train(part: Part) -> None:
    """What `resume` kills."""
    folder = Path(part.arguments.folder)
    training.SAVE_EVERY = 0
    signals, network = StopSignals(), part.network()
    job = training.Job(Checkpoints(folder), lambda: signals.received)
    how = (replace(part.protocol, epochs=2), 0, part.device, part.bf16, part.arguments.way, job)
    try:
        history = training.train(network, data(part), *how)
    except Interrupted:
        sys.exit(75)
    torch.save(network.state_dict(), folder / "weights")
    weights = sum(weight.double().sum().item() for weight in network.parameters())
    part.say(
        **{key: history[-1][key] for key in ("train_loss", "test_loss", "test_error", "test_top5_error")},
        weights=weights,
    )


def replayed(part: Part) -> None:
    if not part.arguments.replay:
        part.say(skipped="no --replay data/cifar10.json")
        return
    from benchmarks import default_catalogue

    catalogue = default_catalogue()
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "run.json"
        command = [sys.executable, "-m", "scripts.replay", "--log", LOG, "--run", "run1", "--steps", str(REPLAYED)]
        command += ["--genotype", str(GENOTYPE), "--settings", catalogue.replay_settings(LOG)]
        command += ["--data", part.arguments.replay, "--gpus", "0" if part.small else "1"]
        command += ["--checkpoints", name, "--output", str(output)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        part.say(**({"failed": done.stderr[-300:]} if done.returncode else json.loads(output.read_text())))


RUN = {"gradients": gradients, "ways": ways, "share": share, "too_large": too_large, "search": scores}
RUN |= {"resume": resume, "replay": replayed, "work": work, "train": train}


def environment() -> dict:
    found = {"torch": torch.__version__, "cuda": torch.version.cuda, "gpus": gpus.visible(), "cores": os.cpu_count()}
    if torch.cuda.is_available():
        device = torch.device("cuda")
        found |= {"device": device_name(device), "cudnn": torch.backends.cudnn.version()}
    return found


def supervise(name: str, command: list[str], seconds: float) -> dict:
    """Run a part until its deadline. Returns all that it said, and how it ended."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*command, "--part", name], stdout=out, stderr=log, cwd=ROOT, start_new_session=True)
        try:
            process.wait(max(seconds, 1))
            end = process.returncode
        except subprocess.TimeoutExpired:
            end = "out of time"
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its own session: what it started too
        process.wait()
        out.seek(0)
        log.seek(0)
        found = {}
        for line in out:
            try:
                found |= json.loads(line)
            except ValueError:  # cut off, or a library's
                continue
        found["end"] = end
        if end != 0:
            found["log"] = log.read()[-600:]
    return found | {"seconds": round(time.monotonic() - start, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a tiny network on the CPU")
    parser.add_argument("--seconds", type=float, default=TOTAL, help=f"for all parts (default {TOTAL})")
    parser.add_argument("--parts", default=",".join(PARTS), help="separated by commas (default all)")
    parser.add_argument("--way", choices=(AUTO, *WAYS), help="to run a step, where ways are tried (default all)")
    parser.add_argument("--replay", help="manifest of CIFAR-10")
    parser.add_argument("--part", choices=RUN, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    given = [*(["--small"] if arguments.small else []), *(["--replay", arguments.replay] if arguments.replay else [])]
    arguments.command = [sys.executable, "-m", "benchmarks.gpu", *given]
    if arguments.part:
        RUN[arguments.part](Part(arguments))
        return
    deadline, result = time.monotonic() + arguments.seconds, {}
    for name in arguments.parts.split(","):
        left = deadline - time.monotonic()
        way = ["--way", arguments.way] if arguments.way else []
        found = supervise(name, [*arguments.command, *way], min(PARTS[name], left)) if left > 5 else {"end": "no time"}
        result[name] = found
        print(f"{name}: {found['end']}", flush=True)
    try:
        result["environment"] = environment()
    finally:
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
