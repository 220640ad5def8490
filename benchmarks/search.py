"""Scoring alone, ours against the plain way: `python -m benchmarks.search`.

Every measurement is the first call in a fresh process, the supernet built before the clock starts; the two ways take
turns, so that ratios hold on a machine whose speed drifts. Both include preparing the weights and the change of
precision; memory is the peak above the resident size just before scoring. The audit of ours is measured after
that. SNIP and GraSP, batch of 64:

    python -m benchmarks.search --supernets darts-8 --scores snip-digits grasp-digits
    python -m benchmarks.search --supernets darts-20 --scores snip-digits grasp-digits --ours
    python -m benchmarks.search --supernets mobilenet --scores snip-imagenet grasp-imagenet synflow-released --ours

Images of a data set that has to be downloaded are noise here: neither time nor memory depends on them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import torch
from tabulate import tabulate

from benchmarks import ROOT, default_catalogue
from benchmarks.plain import plain_score, plain_supernet
from freedarts import scores, search, tasks
from freedarts.jobs.environment import set_up
from freedarts.jobs.memory import peak_memory


def measure(way: str, settings: dict, threads: int) -> None:
    """Print one measurement of this process as JSON."""
    set_up("cpu", threads)
    score = scores.from_settings(settings["score"])
    build, compute = (search.build, search.compute) if way == "ours" else (plain_supernet, plain_score)
    options = settings["supernet"]
    space = options.pop("space")
    supernet = build(space, options, 0)
    if score.data and score.data["dataset"] in tasks.IN_DATA:
        size = score.data["batch_size"]
        batch = torch.randn(size, *supernet.image_shape), torch.randint(options["classes"], (size,))
    else:
        batch = search.draw(supernet, score, options["classes"], 0, space)
    with peak_memory(torch.device("cpu")) as peak:
        start = time.perf_counter()
        objective, matrices = compute(supernet, score, batch)
        seconds = time.perf_counter() - start
    values = torch.cat([matrix.flatten() for matrix in matrices.values()]).double().tolist()
    measured = {"seconds": seconds, "mb": peak.mb, "objective": objective, "scores": values}
    if way == "ours":
        measured["audit"] = search.audit(supernet, score, batch, 0, matrices, space)["seconds"]
    print(json.dumps(measured))


def run(way: str, settings: str, threads: int) -> dict:
    command = [sys.executable, "-m", "benchmarks.search", "--measure", way, "--settings", settings]
    done = subprocess.run([*command, "--threads", str(threads)], cwd=ROOT, text=True, capture_output=True, check=True)
    return json.loads(done.stdout)


def compare(supernet: str, name: str, settings: str, runs: int, threads: int, ours_alone: bool) -> dict:
    ways = ("ours",) if ours_alone else ("ours", "plain")
    samples = [{way: run(way, settings, threads) for way in ways} for _ in range(runs)]
    row = {"supernet": supernet, "score": name}
    row["seconds, audit"] = statistics.median(sample["ours"]["audit"] for sample in samples)
    for unit in ("seconds", "mb"):
        row |= {f"{unit}, {way}": statistics.median(sample[way][unit] for sample in samples) for way in ways}
        if not ours_alone:
            row[f"{unit}, ratio"] = statistics.median(
                sample["ours"][unit] / sample["plain"][unit] for sample in samples
            )
    if not ours_alone:
        ours, plain = samples[0]["ours"], samples[0]["plain"]
        largest = max(map(abs, plain["scores"]))
        row["objective differs"] = abs(ours["objective"] / plain["objective"] - 1)
        row["scores differ"] = max(abs(a - b) for a, b in zip(ours["scores"], plain["scores"], strict=True)) / largest
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--supernets", nargs="+", default=["darts-8", "darts-20", "darts-imagenet", "mobilenet"])
    parser.add_argument("--scores", nargs="+", default=["synflow", "synflow-released"])
    parser.add_argument("--runs", type=int, default=5, help="pairs of measurements (default 5)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ours", action="store_true", help="leave the plain way out, where it needs too much memory")
    parser.add_argument("--measure", choices=("ours", "plain"), help="measure once in this process, with --settings")
    parser.add_argument("--settings", type=json.loads, help="JSON, as scripts/search.py takes it")
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure, arguments.settings, arguments.threads)
        return
    catalogue = default_catalogue()
    rows = [
        compare(name, score, catalogue.search_settings(name, score), arguments.runs, arguments.threads, arguments.ours)
        for name in arguments.supernets
        for score in arguments.scores
    ]
    cores = os.cpu_count()
    print(f"{cores} cores, {arguments.threads} threads, torch {torch.__version__}, medians of {arguments.runs} pairs\n")
    print(tabulate(rows, headers="keys", tablefmt="pipe", floatfmt=".3g"))


if __name__ == "__main__":
    main()
