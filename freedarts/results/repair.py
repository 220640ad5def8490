"""Deleted and damaged results, and all that was made from them. Snakemake itself does not notice a result that was
deleted while the tables stand, and passes on a damaged one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from safetensors import SafetensorError, deserialize

from freedarts.files import InputError, exists, read_bytes, read_json, sha256
from freedarts.results import manifest
from freedarts.results.records import DATA, Job, maker
from freedarts.study import kinds, run_folder


def faults(finished: list[Job]) -> Iterator[tuple[Job, str]]:
    """Every job with a result that is gone or damaged, and a line that says which. OSError for one that cannot be
    read."""
    readers = defaultdict(list)
    for job in finished:
        for name in job.inputs:
            readers[name].append(job)
    for job in finished:
        present = [name for name in job.outputs if exists(Path(name))]
        for name in job.outputs:
            if name in present or name.startswith(DATA):
                continue
            if present or any(exists(Path(output)) for other in readers[name] for output in other.outputs):
                yield job, f"{name}: deleted"
        damaged = {name: line for name in present if (line := job.broken.get(name) or _damage(Path(name)))}
        yield from ((job, line) for line in damaged.values())
        whole = sorted(set(present) - set(damaged))
        stated: dict[Path, str] = {}
        for metrics in (name for name in whole if kinds.of(name) is kinds.TRAINING):
            stated |= run_folder.stated(Path(metrics))
        for name in whole:
            # What was made again after others had read it is not what they read.
            read = {other.checksums.get(name) for other in (*readers[name], job) if job.made <= other.made}
            known = {digest and digest.removeprefix("sha256:") for digest in (*read, stated.get(Path(name)))} - {None}
            if known and known != {sha256(Path(name))}:
                yield job, f"{name}: changed since it was made"


def _damage(path: Path) -> str | None:
    try:
        if manifest.is_one(path):
            manifest.read(path)
        elif path.suffix == ".json":
            read_json(path)
        elif path.suffix == ".safetensors":
            deserialize(read_bytes(path))
    except InputError as error:
        return str(error)
    except SafetensorError as error:
        return f"{path}: {error}"
    return None


def contradictions(finished: list[Job], path: Path, stated: dict, base: Path) -> Iterator[tuple[Job, str]]:
    """The same of results that are as the manifest in *path* says and still do not fit together, as `verify` finds it;
    base: the folder of the workflow."""
    from freedarts.results import verify  # which imports pandas

    for name in filter(lambda name: exists(Path(name)), stated["files"]):
        if kinds.of(name) is kinds.TRAINING:
            yield from ((maker(name, finished), line) for line in verify.headline(Path(name)))
    yield from ((maker(name, finished), line) for name, line in verify.verdicts(stated, base))
    yield from ((maker(str(path), finished), line) for line in verify.tables(stated, base))


def lost(faulty: Iterable[Job], finished: list[Job]) -> list[str]:
    """The outputs of the *faulty* jobs and of all jobs that read, directly or not, what those made."""
    gone = {name for job in faulty for name in job.outputs}
    while True:
        spread = {name for name in gone if not name.startswith(DATA)}
        more = {name for job in finished if spread.intersection(job.inputs) for name in job.outputs} - gone
        if not more:
            return sorted(gone)
        gone |= more
