"""Tables that were copied here: Snakemake, which has no record of them, would let them stand whatever is selected."""

import json

from snakemake.io import IOFile
from snakemake.logging import logger

from freedarts.results import records

COPIED = "results that were copied here are recorded by `snakemake --touch --forceall`, with the --configfile of theirs"


@cache
def check_records():
    """Tables that Snakemake has no record of stand for it whatever is selected. WorkflowError where that is wrong."""
    tables, selected = f"{FOLDER}{OWN}tables.md", json.loads(catalogue.table_settings())
    if workflow.dag_settings.forceall or not exists(Path(tables)) or workflow.persistence.metadata(IOFile(tables)):
        return
    if why := records.stale(Path(FOLDER), Path(tables), selected):
        raise WorkflowError(f"{tables}: Snakemake has no record of it and would let it stand, but {why}; {COPIED}")
    logger.warning(f"{tables}: Snakemake has no record of it, so that other settings do not make it again; {COPIED}")


@planned
def selected_results(wildcards):
    check_records()
    return list(kinds.files(kinds.selection(catalogue)))
