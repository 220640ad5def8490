"""SynFlow of whole NAS-Bench-201 architectures, ours against building and scoring them one by one.

    python -m benchmarks.architectures            a sample, ours and the plain way in turn
    python -m benchmarks.architectures --full     then all 15,625, ours alone

The plain way takes the same time for every sample; ours takes less for an architecture of a large one, because
architectures with the same convolutions share one draw of the weights, and those that compute the same share a score.
"""

import argparse
import os
import statistics
import time

import torch
from tabulate import tabulate

from benchmarks import default_catalogue
from benchmarks.plain import plain_synflow
from freedarts.architectures import synflow
from freedarts.architectures.scores import sample
from freedarts.nasbench201 import SIZE


def product_rate() -> float:
    """GFLOP/s of a product of large float64 matrices: what the machine can do."""
    matrix = torch.rand(2000, 2000, dtype=torch.float64)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return 2 * 2000**3 / statistics.median(seconds) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", type=int, default=100, help="in the sample (default 100)")
    parser.add_argument("--runs", type=int, default=5, help="pairs of measurements (default 5)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    options = default_catalogue().config["architecture_scores"]["synflow"]["network"]
    indices = sample(arguments.architectures, 0)

    def ours(chosen: list[int]) -> tuple[float, dict[int, float]]:
        start = time.perf_counter()
        found = dict(synflow.scores(chosen, 0, options))
        return time.perf_counter() - start, found

    def plain() -> tuple[float, dict[int, float]]:
        start = time.perf_counter()
        found = {index: plain_synflow(index, 0, options) for index in indices}
        return time.perf_counter() - start, found

    samples = [(ours(indices), plain()) for _ in range(arguments.runs)]
    (_, mine), (_, theirs) = samples[0]
    count = len(indices)
    slow = count / statistics.median(seconds for _, (seconds, _) in samples)
    rows = [{"way": "plain, one by one", "architectures": count, "architectures/s": slow, "ratio": 1}]
    ratio = statistics.median(plain_seconds / seconds for (seconds, _), (plain_seconds, _) in samples)
    fast = count / statistics.median(seconds for (seconds, _), _ in samples)
    rows.append({"way": "ours", "architectures": count, "architectures/s": fast, "ratio": ratio})
    if arguments.full:
        seconds, _ = ours(list(range(SIZE)))
        rate = SIZE / seconds
        rows.append({"way": "ours", "architectures": SIZE, "architectures/s": rate, "ratio": rate / slow})
    difference = max(abs(mine[index] - theirs[index]) / (theirs[index] or 1) for index in indices)
    print(f"{os.cpu_count()} cores, {arguments.threads} threads, torch {torch.__version__}, {arguments.runs} pairs\n")
    print(tabulate(rows, headers="keys", tablefmt="pipe", floatfmt=".3g"))
    print(f"\nlargest relative difference {difference:.1e}; float64 matrix product {product_rate():.0f} GFLOP/s")


if __name__ == "__main__":
    main()
