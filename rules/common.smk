"""The catalogue of the configuration, and what every rule needs: names that are allowed in paths, digests of code."""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from freedarts import catalogue as names
from freedarts.catalogue import Catalogue
from freedarts.digest import code_digest
from freedarts.files import InputError
from freedarts.lock import remove_dead_lock

BASE = Path(workflow.basedir)

# Jobs find this environment's python, activated or not, and the library beside the Snakefile.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(BASE), os.environ.get("PYTHONPATH")]))

if workflow.is_main_process:
    driver = remove_dead_lock(Path(".snakemake"), keep=not workflow.dryrun)

try:
    catalogue = Catalogue(config, BASE / "config" / "schema.yaml", BASE / "resources")
except InputError as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    supernet="|".join(catalogue.config["supernets"]),
    score="|".join(catalogue.config["scores"]),
    source="|".join([*catalogue.config["sources"], *catalogue.config["scores"]]),
    task="|".join(catalogue.config["tasks"]),
    seed="0|[1-9][0-9]*",
    run="0|[1-9][0-9]*",


def code(script, *modules):
    """Digest of a script and of the library modules that it depends on."""
    return code_digest(BASE / "scripts" / script, *(f"freedarts.{module}" for module in modules))


def space(supernet):
    return catalogue.config["supernets"][supernet]["space"]


def genotype_seeds(wildcards):
    """The search seeds of a source on a supernet; a combination that does not exist fails while planning."""
    try:
        return catalogue.seeds(wildcards.supernet, wildcards.source)
    except InputError as error:
        raise WorkflowError(str(error))
