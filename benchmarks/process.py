"""One search job as a whole process against `import torch`, in turn: `python -m benchmarks.process`.

The ratio leaves out the scoring itself (and, in the last column, the audit), both as the job reports them.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from benchmarks import ROOT, default_catalogue


def seconds(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True)
    return time.perf_counter() - start


def job(supernet: str, score: str, settings: str, runs: int) -> dict:
    samples = []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "scores.json"
        command = [sys.executable, "-m", "scripts.search", "--supernet", supernet, "--score", score, "--seed", "0"]
        for _ in range(runs):
            imported = seconds(sys.executable, "-c", "import torch")
            whole = seconds(*command, "--settings", settings, "--output", str(output))
            result = json.loads(output.read_text())
            scoring, audit = result["seconds"], result["audit"]["seconds"]
            samples.append((imported, whole, scoring, audit, (whole - scoring) / imported))
            samples[-1] += ((whole - scoring - audit) / imported,)
    names = ("import torch", "job", "scoring", "audit", "(job - scoring) / import", "(… - audit) / import")
    medians = (statistics.median(values) for values in zip(*samples, strict=True))
    return {"supernet": supernet, "score": score, **dict(zip(names, medians, strict=True))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each process (default 5)")
    arguments = parser.parse_args()
    catalogue = default_catalogue()
    rows = [
        job(supernet, score, catalogue.search_settings(supernet, score), arguments.runs)
        for supernet, score, _ in catalogue.searches()
    ]
    print(f"seconds, medians of {arguments.runs}\n")
    print(tabulate(rows, headers="keys", tablefmt="pipe", floatfmt=".2f"))


if __name__ == "__main__":
    main()
