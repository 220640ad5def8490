"""Results that were copied here: Snakemake, which has no record of them, lets them stand whatever their settings are."""

import json

from snakemake.io import IOFile
from snakemake.logging import logger

from freedarts.results import records

IMPORTED = not workflow.modifier.is_main_snakefile()
UNRECORDED = "Snakemake has no record of such results: other settings do not make them again"
COPIED = "results that were copied here are recorded by `snakemake --touch --forceall`, with the --configfile of theirs"


@cache
def check_records():
    """WorkflowError where that is wrong of the tables."""
    tables, selected = f"{FOLDER}{OWN}tables.md", json.loads(catalogue.table_settings())
    if workflow.dag_settings.forceall or not exists(Path(tables)) or workflow.persistence.metadata(IOFile(tables)):
        return
    if why := records.stale(Path(FOLDER), Path(tables), selected):
        raise WorkflowError(f"{tables}: Snakemake has no record of it and would let it stand, but {why}; {COPIED}")
    if IMPORTED:  # say_unrecorded is the main Snakefile's
        logger.warning(f"{tables}: {UNRECORDED}; {COPIED}")


@cache
def say_unrecorded():
    """Once, of all that this call asks for."""
    dag = workflow.dag
    kept = [job for job in dag.jobs if dag.reason(job).no_metadata and not dag.needrun(job)]
    if names := sorted(name for job in kept for name in job.output if is_result(name) and exists(Path(name))):
        others = f" and {len(names) - 1} more" if names[1:] else ""
        lost = sorted(
            name for job in kept for name in (*job.input, *job.output) if is_result(name) and not exists(Path(name))
        )
        but = f", and {lost[0]}, which belongs to them, is not there" if lost else ""
        logger.warning(f"{names[0]}{others}: {UNRECORDED}{but}; {COPIED}")


def is_result(name):
    return name.startswith(f"{FOLDER}results/")


@planned
def selected_results(wildcards):
    check_records()
    return list(kinds.files(kinds.selection(catalogue)))
