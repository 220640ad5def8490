"""Find deleted and damaged results and remove them with all that was made from them; the next snakemake call makes them
again. Snakemake itself does not notice a result that was deleted while the tables stand, and passes on a damaged one.

    python -m freedarts.repair --dry-run
    python -m freedarts.repair && snakemake
"""

import argparse
import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open

from freedarts import manifest
from freedarts.files import InputError, read_json, run
from freedarts.nasbench201 import DOWNLOAD  # which may be deleted once it is converted


@dataclass
class Job:
    """What Snakemake recorded of a job that it finished. made: seconds, as time.time()."""

    made: float
    inputs: list[str]
    checksums: dict[str, str]  # of the inputs, as they were read
    outputs: list[str] = field(default_factory=list)


def jobs(records: Path) -> list[Job]:
    """The jobs in Snakemake's records, one file an output. Every rule here has a log file, which no two jobs share."""
    found = {}
    for path in sorted(path for path in records.rglob("*") if path.is_file()):
        parts = path.relative_to(records).parts  # a long name is spread over folders that begin with @
        output = base64.b64decode("".join(part.removeprefix("@") for part in parts)).decode()
        record = read_json(path, ("log", "input", "endtime"))
        job = Job(record["endtime"] or 0, record["input"] or [], record.get("input_checksums") or {})
        found.setdefault(tuple(record["log"] or [output]), job).outputs.append(output)
    return list(found.values())


def faults(finished: list[Job], digests: dict[str, str] | None = None) -> Iterator[tuple[Job, str]]:
    """Every job with a result that is gone or damaged, and a line that says which. digests: of the manifest."""
    digests = digests or {}
    tables = max((job.made for job in finished if str(manifest.NAME) in job.outputs), default=0)
    for job in finished:
        consumers = [(other, name) for other in finished for name in job.outputs if name in other.inputs]
        used = {name for other, name in consumers if any(Path(output).exists() for output in other.outputs)}
        present = [name for name in job.outputs if Path(name).exists()]
        for name in job.outputs:
            if name not in present and (present or name in used) and name != DOWNLOAD:
                yield job, f"{name}: deleted"
        unreadable = {name: reason for name in present if (reason := _unreadable(Path(name)))}
        yield from ((job, reason) for reason in unreadable.values())
        changed = {
            name
            for other, name in consumers
            if name in present and job.made <= other.made and _differs(Path(name), other.checksums.get(name))
        }
        # What was made again after the tables is not what the manifest holds.
        listed = [name for name in present if name in digests and job.made <= tables]
        changed |= {name for name in listed if manifest.digest(Path(name)) != digests[name]}
        yield from ((job, f"{name}: changed since it was made") for name in sorted(changed - set(unreadable)))


def _unreadable(path: Path) -> str | None:
    try:
        if path.suffix == ".json":
            read_json(path)
        elif path.suffix == ".safetensors":
            with safe_open(path, "numpy"):
                pass
    except InputError as error:
        return str(error)
    except SafetensorError as error:
        return f"{path}: {error}"
    return None


def _differs(path: Path, checksum: str | None) -> bool:
    """From Snakemake's checksum, which it takes of files up to a size."""
    return checksum is not None and checksum != f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def lost(faulty: list[Job], finished: list[Job]) -> list[str]:
    """The outputs of the *faulty* jobs and of all jobs that read, directly or not, what those made."""
    gone = {name for job in faulty for name in job.outputs}
    while more := {name for job in finished if gone.intersection(job.inputs) for name in job.outputs} - gone:
        gone |= more
    return sorted(gone)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="remove nothing, say what would be")
    parser.add_argument("--records", type=Path, default=Path(".snakemake"), help="Snakemake's records (.snakemake)")
    arguments = parser.parse_args()

    if not (arguments.records / "metadata").is_dir():
        raise InputError(f"{arguments.records / 'metadata'}: no such folder; run this where snakemake runs")
    finished = jobs(arguments.records / "metadata")
    digests = {}
    if manifest.NAME.is_file():
        with suppress(InputError):  # a broken manifest is itself among the faults
            stated = manifest.read(manifest.NAME)
            digests = {**stated["files"], **stated["tables"]}
    found = list(faults(finished, digests))
    for _, line in found:
        print(line)
    removed = [Path(name) for name in lost([job for job, _ in found], finished) if Path(name).exists()]
    for path in removed:
        print(f"{path}: {'would be ' if arguments.dry_run else ''}removed")
        if not arguments.dry_run:
            path.unlink()
    print(f"{len(found)} faults, {len(removed)} files to make again" if found else "all results are whole")


if __name__ == "__main__":
    run(main)
