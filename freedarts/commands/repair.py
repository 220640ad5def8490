"""Remove lost and damaged results, to be made again.

With all that was made from them; the next snakemake call makes them again. Snakemake itself does not notice a result
that was deleted while the tables stand, and passes on a damaged one. What is there and cannot be read is not damaged:
one line says why, the exit status is 1, and nothing is removed.

    freedarts repair --dry-run
    freedarts repair && snakemake         # with the --configfile and the profile of the run
"""

import argparse
from contextlib import suppress
from itertools import chain
from pathlib import Path

from freedarts.commands import project
from freedarts.files import InputError, exists
from freedarts.jobs.driver import at_work, doubt
from freedarts.results import manifest
from freedarts.results.records import add_unrecorded, jobs
from freedarts.results.repair import contradictions, faults, lost


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="remove nothing, say what would be")
    parser.add_argument("--records", type=Path, default=Path(".snakemake"), help="Snakemake's records (.snakemake)")


def main(arguments: argparse.Namespace) -> None:
    if not exists(arguments.records / "metadata"):
        raise InputError(f"{arguments.records / 'metadata'}: no such folder; run this where snakemake runs")
    if not arguments.dry_run and (others := at_work(arguments.records)):
        why = doubt(others) or "snakemake is at work here; wait for its end, or add --dry-run"
        raise InputError(f"{arguments.records}: {why}")
    finished, manifests = jobs(arguments.records / "metadata"), {}
    for path in manifest.there():
        manifests[path] = {"files": {}, "tables": {}}
        with suppress(InputError):  # a broken manifest is itself among the faults
            manifests[path] = manifest.read(path)
    if unrecorded := add_unrecorded(finished, manifests):
        print(f"{len(unrecorded)} results have no record, so that no change of settings or code makes them again:")
        print(f"  {unrecorded[0]} …; `snakemake --touch --forceall` records them as they are")
    faulty = list(faults(finished))
    if not faulty:
        whole = (contradictions(finished, path, stated, project()) for path, stated in manifests.items())
        faulty = list(chain.from_iterable(whole))
    for _, line in faulty:
        print(line)
    removed = [Path(name) for name in lost([job for job, _ in faulty], finished) if exists(Path(name))]
    for path in removed:
        print(f"{path}: {'would be ' if arguments.dry_run else ''}removed")
        if not arguments.dry_run:
            path.unlink()
    print(f"{len(faulty)} faults, {len(removed)} files to make again" if faulty else "all results are whole")
