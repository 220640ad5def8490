"""Find deleted and damaged results and remove them with all that was made from them; the next snakemake call makes them
again. Snakemake itself does not notice a result that was deleted while the tables stand, and passes on a damaged one.

    python -m freedarts.repair --dry-run
    python -m freedarts.repair && snakemake         # with the --configfile and the profile of the run
"""

import argparse
import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from safetensors import SafetensorError, safe_open

from freedarts import beside, manifest
from freedarts.driver import at_work, doubt
from freedarts.files import InputError, read_json, run, sha256

TABLES = "results/tables.md"
# Downloads, and what is read from them or from the user's folders: they may be deleted to free space, and are had again
# when something needs them. What was made from them stays.
DATA = "data/"


@dataclass
class Job:
    """What Snakemake recorded of a job that it finished. made: seconds, as time.time(); 0 if that is not known."""

    made: float
    inputs: list[str]
    checksums: dict[str, str]  # of the inputs, as they were read
    outputs: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)  # outputs with a record that cannot be read, and why


def jobs(records: Path) -> list[Job]:
    """The jobs in Snakemake's records, one file an output. Every rule here has a log file, which no two jobs share."""
    found, broken = {}, {}
    for path in sorted(path for path in records.rglob("*") if path.is_file()):
        parts = path.relative_to(records).parts  # a long name is spread over folders that begin with @
        output = base64.b64decode("".join(part.removeprefix("@") for part in parts)).decode()
        try:
            record = read_json(path, ("log", "input", "endtime"))
        except InputError as error:  # Snakemake does not write them in one go
            broken[output] = f"{output}: its record is lost: {error}"
            continue
        job = Job(record["endtime"] or 0, record["input"] or [], record.get("input_checksums") or {})
        found.setdefault(tuple(record["log"] or [output]), job).outputs.append(output)
    finished = list(found.values())
    for name, reason in broken.items():
        _maker(name, finished).broken[name] = reason
    return finished


def _maker(name: str, finished: list[Job]) -> Job:
    """The job, one of *finished* or added to them, of a file without a record: that of the file which others ask for
    when they need it made."""
    path = Path(name)
    if path.name in beside.NAMES:
        asked = str(path.with_name("metrics.json"))
    else:
        asked = TABLES if path == manifest.NAME or path.with_suffix(".md") == Path(TABLES) else name
    job = next((job for job in finished if asked in job.outputs), None)
    if job is None:
        finished.append(job := Job(0, [], {}, [asked]))
    if name not in job.outputs:
        job.outputs.append(name)
    return job


def add_unrecorded(finished: list[Job], stated: dict | None) -> list[str]:
    """Add to the jobs what their inputs and *stated*, the manifest, say of results. Returns those without a record."""
    recorded = {name for job in finished for name in job.outputs}
    folders = {Path(name).parent: job.made for job in finished for name in job.outputs}
    named = {name for job in finished for name in job.inputs}
    if manifest.NAME.is_file():
        stated = stated or {"files": {}, "tables": {}}
        tables = _maker(str(manifest.NAME), finished)
        digests = {**stated["files"], **stated["tables"]}
        # As if Snakemake had recorded them: it knows checksums of small inputs alone.
        tables.inputs = [*tables.inputs, *stated["files"]]
        tables.checksums = tables.checksums | {name: f"sha256:{digest}" for name, digest in digests.items()}
        named |= {str(manifest.NAME), *digests}
    unrecorded = sorted(name for name in named - recorded if _is_result(name))
    for name in unrecorded:
        job = _maker(name, finished)
        # Snakemake records no measurements. They are a job of their own here: a training that is written again from
        # its checkpoints would not measure the same.
        if name.startswith(manifest.BENCHMARKS):
            measured = name.removeprefix(manifest.BENCHMARKS).removesuffix(".tsv")
            job.made = folders.get(Path("results", measured), 0)
    return [name for name in unrecorded if not name.startswith(manifest.BENCHMARKS)]


def _is_result(name: str) -> bool:
    """A manifest may come from elsewhere: what it says must not lead to other files."""
    parts = PurePosixPath(name).parts
    return parts[:1] == ("results",) and ".." not in parts


def faults(finished: list[Job]) -> Iterator[tuple[Job, str]]:
    """Every job with a result that is gone or damaged, and a line that says which."""
    readers = defaultdict(list)
    for job in finished:
        for name in job.inputs:
            readers[name].append(job)
    for job in finished:
        present = [name for name in job.outputs if Path(name).exists()]
        for name in job.outputs:
            if name in present or name.startswith(DATA):
                continue
            if present or any(Path(output).exists() for other in readers[name] for output in other.outputs):
                yield job, f"{name}: deleted"
        unreadable = {name: line for name in present if (line := job.broken.get(name) or _unreadable(Path(name)))}
        yield from ((job, line) for line in unreadable.values())
        whole = sorted(set(present) - set(unreadable))
        stated: dict[Path, str] = {}
        for metrics in (name for name in whole if name.endswith("/metrics.json")):
            stated |= beside.stated(Path(metrics))
        for name in whole:
            # What was made again after others had read it is not what they read.
            read = {other.checksums.get(name) for other in (*readers[name], job) if job.made <= other.made}
            known = {digest and digest.removeprefix("sha256:") for digest in (*read, stated.get(Path(name)))} - {None}
            if known and known != {sha256(Path(name))}:
                yield job, f"{name}: changed since it was made"


def _unreadable(path: Path) -> str | None:
    try:
        if path == manifest.NAME:
            manifest.read(path)
        elif path.suffix == ".json":
            read_json(path)
        elif path.suffix == ".safetensors":
            with safe_open(path, "numpy"):
                pass
    except InputError as error:
        return str(error)
    except SafetensorError as error:
        return f"{path}: {error}"
    return None


def contradictions(finished: list[Job], stated: dict) -> Iterator[tuple[Job, str]]:
    """The same of results that are as the manifest says and still do not fit together, as `verify` finds it."""
    from freedarts import verify  # which imports pandas

    for path in filter(Path.exists, map(Path, stated["files"])):
        if path.name == "metrics.json":
            yield from ((_maker(str(path), finished), line) for line in verify.headline(path))
    yield from ((_maker(TABLES, finished), line) for line in verify.tables(stated))


def lost(faulty: Iterable[Job], finished: list[Job]) -> list[str]:
    """The outputs of the *faulty* jobs and of all jobs that read, directly or not, what those made."""
    gone = {name for job in faulty for name in job.outputs}
    while True:
        spread = {name for name in gone if not name.startswith(DATA)}
        more = {name for job in finished if spread.intersection(job.inputs) for name in job.outputs} - gone
        if not more:
            return sorted(gone)
        gone |= more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="remove nothing, say what would be")
    parser.add_argument("--records", type=Path, default=Path(".snakemake"), help="Snakemake's records (.snakemake)")
    arguments = parser.parse_args()

    if not (arguments.records / "metadata").is_dir():
        raise InputError(f"{arguments.records / 'metadata'}: no such folder; run this where snakemake runs")
    if not arguments.dry_run and (others := at_work(arguments.records)):
        why = doubt(others) or "snakemake is at work here; wait for its end, or add --dry-run"
        raise InputError(f"{arguments.records}: {why}")
    finished, stated = jobs(arguments.records / "metadata"), None
    with suppress(InputError):  # a broken manifest is itself among the faults
        stated = manifest.read(manifest.NAME)
    if unrecorded := add_unrecorded(finished, stated):
        print(f"{len(unrecorded)} results have no record, so that no change of settings or code makes them again:")
        print(f"  {unrecorded[0]} …; `snakemake --touch --forceall` records them as they are")
    found = list(faults(finished))
    if stated and not found:
        found = list(contradictions(finished, stated))
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
