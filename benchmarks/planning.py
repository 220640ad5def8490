"""Seconds that Snakemake needs to plan, ours against trivial rules of the same number: `python -m benchmarks.planning`.

Also the time of a run that has nothing to do, when the quick results are there; and what the driver itself costs for
each job that it runs, one at a time on this machine: the time beyond the planning and the job's own process.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from tabulate import tabulate

from benchmarks import ROOT

TOY = """
rule all:
    input: expand("b/{{n}}", n=range({jobs} // 2))
rule first:
    output: "a/{{n}}"
    shell: "touch {{output}}"
rule second:
    input: "a/{{n}}"
    output: "b/{{n}}"
    shell: "touch {{output}}"
"""


def plan(*arguments: str, cwd: Path) -> tuple[float, int]:
    """Seconds, and the number of jobs."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", *arguments]
    done = subprocess.run(command, cwd=cwd, text=True, capture_output=True, check=True)
    seconds = time.perf_counter() - start
    found = re.search(r"^total\s+(\d+)", done.stdout + done.stderr, re.MULTILINE)
    return seconds, int(found[1]) if found else 0


def driver(targets: list[str], folder: Path, alone: list[str]) -> tuple[float, float]:
    """Seconds for each of the jobs that make *targets*, one each, and of the command *alone*."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *targets, "--directory", str(folder)]
    times = []
    for each in ([*command, "-n"], command, alone):
        start = time.perf_counter()
        subprocess.run(each, cwd=ROOT, capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    planning, running, process = times
    return (running - planning) / len(targets), process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=5000, help="jobs to plan (default 5000)")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        supernets, scores = ["darts-8", "darts-20", "darts-imagenet", "nasbench201"], ["synflow", "synflow-released"]
        seeds = arguments.jobs // (2 * len(supernets) * len(scores)) + 1
        overlay = {"search": [{"supernets": supernets, "scores": scores, "seeds": seeds}], "costs": [], "retrain": []}
        (folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))
        (folder / "toy").mkdir()
        (folder / "toy" / "Snakefile").write_text(TOY.format(jobs=arguments.jobs))
        empty = ("--directory", str(folder / "work"))
        cases = {
            "quick configuration, nothing there": ((*empty,), ROOT),
            "config/paper.yaml, nothing there": (
                (*empty, "--configfile", str(ROOT / "config" / "paper.yaml")),
                ROOT,
            ),
            "many seeds": ((*empty, "--configfile", str(folder / "overlay.yaml")), ROOT),
            "trivial rules": (("--cores", "2"), folder / "toy"),
            "quick configuration, as it stands here": ((), ROOT),
        }
        published = [
            f"results/genotypes/{supernet}/published-synflow/seed{seed}.json"
            for supernet in supernets[:3]
            for seed in range(5)
        ]
        script = [sys.executable, "-m", "scripts.publish", "--help"]
        jobs = [driver(published, folder / f"driver{run}", script) for run in range(arguments.runs)]
        samples = [{case: plan(*given, cwd=cwd) for case, (given, cwd) in cases.items()} for _ in range(arguments.runs)]
    rows = [
        {"case": case, "jobs": samples[0][case][1], "seconds": statistics.median(sample[case][0] for sample in samples)}
        for case in cases
    ]
    ratio = statistics.median(sample["many seeds"][0] / sample["trivial rules"][0] for sample in samples)
    print(tabulate(rows, headers="keys", tablefmt="pipe", floatfmt=".2f"))
    print(f"\nmany seeds / trivial rules: {ratio:.2f} (median of {arguments.runs} pairs)")
    whole, process = (statistics.median(column) for column in zip(*jobs, strict=True))
    print(f"a job that publishes a genotype: {whole:.2f} s, of which its process {process:.2f} s")


if __name__ == "__main__":
    main()
