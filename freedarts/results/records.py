"""What Snakemake recorded of the jobs that it finished, with what their inputs and the manifest say besides. Imports
neither torch nor pandas."""

import base64
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from freedarts.files import InputError, exists, files_in, read_json
from freedarts.results import manifest
from freedarts.study import kinds

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
    broken: dict[str, str] = field(default_factory=dict)  # outputs with a record that is damaged, and why


def recorded(records: Path) -> dict[str, Path]:
    """The outputs that Snakemake recorded in *records*, each with the file that has its record."""
    found = {}
    for path in files_in(records):
        parts = path.relative_to(records).parts  # a long name is spread over folders that begin with @
        with suppress(ValueError):  # what a file system or a desktop leaves there
            found[base64.urlsafe_b64decode("".join(part.removeprefix("@") for part in parts)).decode()] = path
    return found


def stale(folder: Path, tables: Path, selected: dict) -> str | None:
    """Why *tables* are not those of what is *selected* (Catalogue.table_settings); None if they may be. folder: that
    results/ lies in."""
    missing = next((name for name in kinds.files(selected["results"]) if not exists(folder / name)), None)
    if missing:
        return f"{missing} is not there"
    with suppress(InputError):
        if manifest.read(tables.with_name(manifest.NAME.name))["settings"] != selected:
            return "it shows another selection"
    return None


def jobs(records: Path) -> list[Job]:
    """The jobs in Snakemake's records. Every rule here has a log file, which no two jobs share. OSError for a record
    that cannot be read."""
    found, broken = {}, {}
    for output, path in recorded(records).items():
        try:
            record = read_json(path, ("log", "input", "endtime"))
        except InputError as error:  # Snakemake does not write them in one go
            broken[output] = f"{output}: its record is lost: {error}"
            continue
        job = Job(record["endtime"] or 0, record["input"] or [], record.get("input_checksums") or {})
        found.setdefault(tuple(record["log"] or [output]), job).outputs.append(output)
    finished = list(found.values())
    for name, reason in broken.items():
        maker(name, finished).broken[name] = reason
    return finished


def maker(name: str, finished: list[Job]) -> Job:
    """The job, one of *finished* or added to them, of a file without a record: that of the file which others ask for
    when they need it made."""
    path = Path(name)
    if kind := next((kind for kind in kinds.KINDS if path.name in kind.beside), None):
        asked = str(path.with_name(Path(kind.path).name))
    else:
        of_tables = manifest.is_one(path) or path.with_suffix(".md").name == manifest.TABLES
        asked = str(path.with_name(manifest.TABLES)) if of_tables else name
    job = next((job for job in finished if asked in job.outputs), None)
    if job is None:
        finished.append(job := Job(0, [], {}, [asked]))
    if name not in job.outputs:
        job.outputs.append(name)
    return job


def add_unrecorded(finished: list[Job], manifests: dict[Path, dict]) -> list[str]:
    """Add to the jobs what their inputs and the *manifests* say of results, one that is broken nothing. Returns those
    without a record."""
    recorded = {name for job in finished for name in job.outputs}
    folders = {Path(name).parent: job.made for job in finished for name in job.outputs}
    named = {name for job in finished for name in job.inputs}
    for path, stated in manifests.items():
        tables = maker(str(path), finished)
        digests = {**stated["files"], **stated["tables"]}
        # As if Snakemake had recorded them: it knows checksums of small inputs alone.
        tables.inputs = [*tables.inputs, *stated["files"]]
        tables.checksums = tables.checksums | {name: f"sha256:{digest}" for name, digest in digests.items()}
        named |= {str(path), *digests}
    unrecorded = sorted(name for name in named - recorded if _is_result(name))
    for name in unrecorded:
        job = maker(name, finished)
        # Snakemake records no measurements. They are a job of their own here: a training that is written again from
        # its checkpoints would not measure the same.
        if name.startswith(kinds.BENCHMARKS):
            measured = name.removeprefix(kinds.BENCHMARKS).removesuffix(".tsv")
            job.made = folders.get(Path("results", measured), 0)
    return [name for name in unrecorded if not name.startswith(kinds.BENCHMARKS)]


def _is_result(name: str) -> bool:
    """A manifest may come from elsewhere: what it says must not lead to other files."""
    parts = PurePosixPath(name).parts
    return parts[:1] == ("results",) and ".." not in parts
