"""What SLURM adds to a search: as a job of its own, in groups, and without SLURM: `python -m benchmarks.slurm`.

On the tests' SLURM, on this machine (root, Debian): its nodes are this one, so that a job's own time is the same.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from tabulate import tabulate

from tests.slurm.cluster import Cluster, install, why_not
from tests.support import command, copy_project

SLURM = ("--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1")
CASES = {
    "without SLURM": ("--cores", "4"),
    "groups of 25": SLURM,
    "single jobs": (*SLURM, "--group-components", "searches=1"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=24, help="number of searches (default 24)")
    arguments = parser.parse_args()
    if reason := why_not():
        sys.exit(f"error: {reason}")
    install()
    targets = [f"results/search/nasbench201/synflow/seed{seed}/scores.json" for seed in range(arguments.searches)]
    search = [{"supernets": ["nasbench201"], "scores": ["synflow"], "seeds": arguments.searches}]
    overlay = {"search": search, "correlation": [], "costs": [], "retrain": []}
    rows = []
    with tempfile.TemporaryDirectory() as name:
        cluster = Cluster(Path(name) / "slurm")
        cluster.folder.mkdir()
        project = copy_project(Path(name) / "project")
        (project / "overlay.yaml").write_text(yaml.safe_dump(overlay))
        try:
            cluster.up()
            for case, options in CASES.items():
                shutil.rmtree(project / "results", ignore_errors=True)
                before, start = len(cluster.jobs()), time.perf_counter()
                call = command("--configfile", "overlay.yaml", *options, "--", *targets)
                subprocess.run(call, cwd=project, env=cluster.environment, capture_output=True, check=True)
                rows.append((case, time.perf_counter() - start, len(cluster.jobs()) - before))
        finally:
            cluster.down()
    local = rows[0][1]
    rows = [(*row, (row[1] - local) / arguments.searches if row[2] else None) for row in rows]
    headers = (f"{arguments.searches} searches", "seconds", "submissions", "seconds more a search")
    print(tabulate(rows, headers, tablefmt="pipe", floatfmt=".1f"))


if __name__ == "__main__":
    main()
