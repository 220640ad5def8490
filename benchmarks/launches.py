"""How many kernels a step of a training launches, by way: `python -m benchmarks.launches`.

Counted on a CPU, whose profiler names every operation: of forward and backward pass those that compute, each a kernel
on a GPU as well, and the compiler's fused loops. What is captured launches the kernels of one of the two ways with one
call. The optimizer's are not counted, on a GPU a handful of large ones. A GPU's own count: `python -m benchmarks.gpu`.
"""

import argparse
import json
import time
from collections import Counter

import torch
import torch._inductor.config as inductor

from benchmarks.gpu import GENOTYPE, NETWORK, PROTOCOL
from freedarts import genotype, spaces
from freedarts.jobs.environment import COMPILED, EAGER
from freedarts.training.steps import Steps, optimizer

# Of ATen, what allocates, asks, or looks at memory in another way.
NONE = """\
_local_scalar_dense _nnpack_available _reshape_alias _to_copy alias as_strided as_strided_ chunk detach detach_ empty
empty_like empty_strided expand is_nonzero item lift_fresh narrow permute requires_grad_ reshape resize_ result_type
select set_ slice split split_with_sizes squeeze t to transpose unbind unsqueeze view"""
LOOKS = {f"aten::{name}" for name in NONE.split()}


def launches(way: str, channels: int, cells: int, batch: int) -> tuple[Counter, float]:
    """Names of the kernels of one step, and the seconds that the first steps took, compiling included."""
    torch.manual_seed(0)
    network = spaces.load("darts").network(genotype.read(GENOTYPE), **NETWORK | {"channels": channels, "cells": cells})
    network = network.to(memory_format=torch.channels_last).train()
    network.drop_path = torch.tensor(0.1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.num_batches_tracked = None  # as freedarts.training.steps.Counters has it on a GPU
    steps = Steps(network, optimizer(network, PROTOCOL, way), PROTOCOL, way=way)
    images, labels = torch.randn(batch, 3, 32, 32), torch.arange(batch) % 10

    def step() -> None:
        network.zero_grad(set_to_none=True)
        steps.losses(images, labels)[2].backward()

    start = time.perf_counter()
    step()
    step()
    seconds = time.perf_counter() - start
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step()
    leaves = (event.name for event in profile.events() if not event.cpu_children)
    return Counter(name for name in leaves if _computes(name)), seconds


def _computes(name: str) -> bool:
    return "cpp_fused" in name or (name.startswith("aten::") and name not in LOOKS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=8, help="the counts do not depend on them (default 8)")
    parser.add_argument("--cells", type=int, default=NETWORK["cells"])
    parser.add_argument("--batch", type=int, default=8, help="nor on it (default 8)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    inductor.cpp.enable_kernel_profile = True  # names the fused loops
    for way in (EAGER, COMPILED):
        counts, seconds = launches(way, arguments.channels, arguments.cells, arguments.batch)
        fused = sum(count for name, count in counts.items() if "cpp_fused" in name)
        said = {"way": way, "kernels": counts.total(), "of them fused": fused, "first steps, s": round(seconds, 1)}
        print(json.dumps(said | {"most": counts.most_common(8)}), flush=True)


if __name__ == "__main__":
    main()
