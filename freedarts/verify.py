"""Check the results in the current folder against results/manifest.json, and make the tables again from them.

    python -m freedarts.verify

Says what was changed, is missing or does not belong there, and which table comes out differently: exit status 1. What
it finds broken, `python -m freedarts.repair && snakemake` makes again.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path

from freedarts import assembly, beside, manifest, results
from freedarts.files import InputError, read_json, run, sha256, sha256_of
from freedarts.repair import jobs

RESULTS = ("search", "genotypes", "costs", "nasbench201", "retrain", "numbers")
RESOURCES = Path(__file__).parents[1] / "resources"


def faults(found: dict, made: set[str], resources: Path = RESOURCES) -> Iterator[str]:
    """A line for everything that does not match *found*, a manifest. made: files that Snakemake recorded, which may be
    of another selection."""
    yield from damaged(found["files"])
    known = {*found["files"], *made}
    for path in sorted(path for part in RESULTS for path in Path("results", part).rglob("*.json")):
        if str(path) not in known and path.name != "progress.json":
            yield f"{path}: extra, nothing here made it"
    for path in found["files"]:
        if path.endswith("/metrics.json"):
            yield from headline(Path(path))
    yield from tables(found, resources)


def damaged(files: dict[str, str]) -> Iterator[str]:
    """files: digest by path."""
    for name, expected in files.items():
        if not Path(name).is_file():
            yield f"{name}: missing"
        elif sha256(Path(name)) != expected:
            yield f"{name}: changed since the tables were made"


def headline(path: Path) -> Iterator[str]:
    """The metrics of a training against what lies beside them, and the last error against its raw log."""
    try:
        beside.check(path)
        stated, history = read_json(path, ("error_last",))["error_last"], results.history(path.with_name("history.csv"))
        if not history or not math.isclose(stated, history[-1][1], rel_tol=1e-8, abs_tol=1e-8):
            last = history[-1][1] if history else "missing"
            yield f"{path}: error_last is {stated}, the last epoch of history.csv {last}"
    except InputError as error:
        yield str(error)


def tables(found: dict, resources: Path = RESOURCES) -> Iterator[str]:
    """The tables, and what the paper and the release print, against *found* and what the results give now."""
    published = {name: resources / f"{name}.yaml" for name in assembly.PUBLISHED}
    for name, path in published.items():
        if sha256(path) != found["published"].get(name):
            yield f"{path}: not the one that the tables were made with"
    try:
        texts = assembly.build(found["settings"], published)
    except (InputError, AttributeError, KeyError, TypeError, ValueError) as error:
        yield f"the tables cannot be made again: {error}"
        return
    for name, digest in found["tables"].items():
        text = texts[Path(name).suffix]
        if sha256_of(text.encode()) != digest:
            yield f"{name}: comes out differently from these results"
        if not Path(name).is_file():
            yield f"{name}: missing"
        elif Path(name).read_bytes() != text.encode():
            yield f"{name}: is not what these results give"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    found, records = manifest.read(manifest.NAME), Path(".snakemake/metadata")
    made = {name for job in jobs(records) for name in job.outputs} if records.is_dir() else set()
    lines = list(faults(found, made))
    if lines:
        sys.exit("\n".join([*lines, f"{len(lines)} faults; `python -m freedarts.repair && snakemake` mends results"]))
    print(f"all as in {manifest.NAME}: {len(found['files'])} results, {len(found['tables'])} tables made again")


if __name__ == "__main__":
    run(main)
