"""NAS-Bench-201: the first look-up after `pip install`; conversion and query against the benchmark's own API, on the
same generated file in the same run.

    python -m benchmarks.nasbench201            1,000 architectures, with the API
    python -m benchmarks.nasbench201 --full     15,625 architectures (5 GB under --folder), without it

The API needs the packages nas-bench-201 and torch, and about 1.7 MB of memory an architecture.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from freedarts.nasbench201 import ACCURACIES
from tests.nasbench201.file import write_large

ROOT = Path(__file__).parents[1]
FULL = 15625
API_LIMIT = 1500  # architectures; about 3 GB
LOOK_UPS = """
import time
import numpy

start = time.perf_counter()
from freedarts import nasbench201

nasbench201.accuracy("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|", "cifar100")
first, start = time.perf_counter() - start, time.perf_counter()
for index in range(1000):
    nasbench201.accuracy(index)
print(first * 1e3, (time.perf_counter() - start) * 1e3)
"""


def resident(key: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"no {key}")


def microseconds(call: Callable[[int], object], indices: list[int]) -> float:
    """Of a call; the median of five rounds."""
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for index in indices:
            call(index)
        rounds.append((time.perf_counter() - start) / len(indices) * 1e6)
    return statistics.median(rounds)


def look_ups(folder: Path) -> list[float]:
    """In the accuracies that are part of the package, of a copy that pip installs into *folder*: milliseconds of the
    first, beside the import of numpy, and microseconds of later ones; medians of nine processes."""
    from tests.support import pip_install

    environment = {**os.environ, "PYTHONPATH": str(pip_install(folder / "installed"))}
    command = [sys.executable, "-c", LOOK_UPS]
    runs = [subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True) for _ in range(9)]
    return [statistics.median(values) for values in zip(*(map(float, run.stdout.split()) for run in runs), strict=True)]


def conversion(file: Path, table: Path) -> dict:
    from freedarts.nasbench201.convert import convert

    start = time.perf_counter()
    count = convert(file, table.with_name("trials.parquet"), table)
    seconds = time.perf_counter() - start
    return {
        "architectures": count,
        "seconds": seconds,
        "cpu_seconds": time.process_time(),
        "peak_mb": resident("VmHWM"),
    }


def query(table: Path, indices: list[int]) -> dict:
    start = time.perf_counter()
    from freedarts.nasbench201.query import Table

    opened = Table(table)
    opening = time.perf_counter() - start
    names = list(ACCURACIES)[:6]
    opened.accuracies(indices[0])  # ranks
    return {
        "open_ms": opening * 1e3,
        "accuracy_us": microseconds(lambda index: opened.accuracy(index, "cifar100", "test"), indices),
        "all_six_us": microseconds(lambda index: [opened.mean(index, name) for name in names], indices),
        "ranked_us": microseconds(opened.accuracies, indices),
        "mb": resident("VmRSS"),
    }


def api(file: Path, indices: list[int]) -> dict:
    import numpy as np
    import torch
    from nas_201_api import NASBench201API
    from numpy._core.multiarray import scalar

    allowed = [(scalar, "numpy.core.multiarray.scalar"), scalar, np.dtype, np.dtypes.Float64DType]
    base = resident("VmRSS")
    start = time.perf_counter()
    with torch.serialization.safe_globals(allowed):
        opened = NASBench201API(str(file), verbose=False)
    opening = time.perf_counter() - start

    def ask(index: int, dataset: str) -> object:
        return opened.get_more_info(index, dataset, hp="200", is_random=False)

    datasets = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
    return {
        "open_ms": opening * 1e3,
        "accuracy_us": microseconds(lambda index: ask(index, "cifar100")["test-accuracy"], indices),
        "all_six_us": microseconds(lambda index: [ask(index, dataset) for dataset in datasets], indices),
        "mb": resident("VmRSS"),
        "mb_before": base,
    }


PARTS = {"conversion": conversion, "query": query, "api": api}


def part(name: str, *arguments: object) -> dict:
    """One part in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.nasbench201", "--part", name, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", type=int, default=1000, help="default: 1000")
    parser.add_argument("--full", action="store_const", dest="architectures", const=FULL, help="all 15,625")
    parser.add_argument("--folder", type=Path, help="where the file goes; default: the temporary folder")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        name, path, *rest = arguments.part
        last = Path(rest[0]) if name == "conversion" else random.Random(0).choices(range(int(rest[0])), k=2000)
        print(json.dumps(PARTS[name](Path(path), last)))
        return

    count = arguments.architectures
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        first, later = look_ups(Path(folder))
        print(f"package      first look-up {first:.0f} ms, later ones {later:.1f} us, installed by pip")
        file, table = Path(folder, "generated.pth"), Path(folder, "architectures.parquet")
        start = time.perf_counter()
        write_large(file, count)
        print(
            f"file         {count} architectures, {file.stat().st_size / 1e6:.0f} MB, made in "
            f"{time.perf_counter() - start:.0f} s"
        )
        converted = part("conversion", file, table)
        print("conversion   {seconds:.1f} s ({cpu_seconds:.1f} s of CPU), peak {peak_mb:.0f} MB".format(**converted))
        sizes = [path.stat().st_size / 1e6 for path in (table, table.with_name("trials.parquet"))]
        print("tables       {:.2f} MB (a row an architecture), {:.2f} MB (a row a trial)".format(*sizes))
        ours = part("query", table, count)
        print(
            "query        open {open_ms:.0f} ms, one accuracy {accuracy_us:.2f} us, all six {all_six_us:.2f} us, "
            "all with ranks {ranked_us:.1f} us, process {mb:.0f} MB".format(**ours)
        )
        if count > API_LIMIT:
            print(f"API          not run: {count} architectures would need {count * 1.75 / 1000:.0f} GB")
            return
        theirs = part("api", file, count)
        print(
            "API          open {open_ms:.0f} ms, one accuracy {accuracy_us:.0f} us, all six {all_six_us:.0f} us, "
            "process {mb:.0f} MB ({mb_before:.0f} MB before opening)".format(**theirs)
        )
        full = theirs["mb_before"] + (theirs["mb"] - theirs["mb_before"]) / count * FULL
        print(
            f"ratios       one accuracy {theirs['accuracy_us'] / ours['accuracy_us']:.0f} times faster, "
            f"all six {theirs['all_six_us'] / ours['all_six_us']:.0f} times"
        )
        print(f"extrapolated API with {FULL} architectures: {full:.0f} MB, {full / ours['mb']:.0f} times this process")


if __name__ == "__main__":
    main()
