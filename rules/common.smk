"""The catalogue of the configuration, and what several stages need: allowed names, digests of code, inputs."""

import gc
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import update_config

from freedarts import nasbench201, plugins, tasks
from freedarts.files import InputError, exists, message
from freedarts.jobs import console
from freedarts.jobs.driver import check_writable, remove_dead_lock, set_job_environment
from freedarts.study import kinds, paths, settings
from freedarts.study.catalogue import Catalogue
from freedarts.study.code import code_digest

gc.freeze()  # Snakemake's modules stay: looking through them for garbage takes a fifth of a planning
set_job_environment(BASE)
driver = None
execute_jobs = workflow.execute


def execute(**settings):
    """In place of workflow.execute, which runs jobs: --summary and the like come without it and leave no sign."""
    global driver
    try:
        if not workflow.output_settings.dryrun:
            driver = remove_dead_lock(Path(".snakemake"))
        execute_jobs(**settings)
        say_unrecorded()
    except (InputError, OSError) as error:
        raise WorkflowError(message(error))


said = settings.typed(dict(workflow.config_settings.config))
try:
    if workflow.is_main_process and workflow.modifier.is_main_snakefile():
        check_writable(Path(".snakemake"))
        workflow.execute = execute
        said_otherwise = ("dryrun", "printshellcmds", "verbose", "quiet")
        if not any(getattr(workflow.output_settings, name) for name in said_otherwise):
            console.quiet(logger)
    for path in workflow.configfiles:  # once more: Snakemake takes the last of two equal keys
        settings.check_config(Path(path), foreign=not workflow.modifier.is_main_snakefile())
    if workflow.modifier.skip_configfile:  # `config` of a workflow that imports this one: parts, as with --configfile
        changes, config = config, settings.read_yaml(HERE / "config" / "config.yaml")
        update_config(config, changes)
    else:
        update_config(config, said)
    catalogue = Catalogue(config, HERE, Path(FOLDER, "data"))
except (InputError, OSError) as error:
    raise WorkflowError(message(error))

OWN = catalogue.own  # what is made of all that the configuration selects
OWN_LOGS = OWN.replace("results", "logs", 1)
BENCHMARK = [nasbench201.TABLE] if catalogue.has_benchmark else []  # in place of the accuracies in the package
ON_NASBENCH201 = "|".join(n for n, s in catalogue.config["supernets"].items() if s["space"] == nasbench201.SPACE)


wildcard_constraints:
    supernet="|".join(catalogue.config["supernets"]),
    score="|".join(catalogue.config["scores"]),
    source="|".join([*catalogue.config["sources"], *catalogue.config["scores"]]),
    task="|".join(catalogue.config["tasks"]),
    seed="0|[1-9][0-9]*",
    run="0|[1-9][0-9]*",


@cache
def code(script, *needed, released=False):
    """Digest of a script and of the library modules that it depends on; thousands of jobs share a few of them.
    released: whether the release's names of weights or its random draws can change the result."""
    named = (module.split(".", 1) for module in needed)
    sources = (plugins.source(kind, name) for kind, name in named)
    return code_digest(BASE / "scripts" / script, *sources, released=released)


def space(supernet):
    return catalogue.config["supernets"][supernet]["space"]


@cache
def look():
    """OSError for a selected result that is there and cannot be looked at: Snakemake takes it for missing, and would make
    it again."""
    for path in kinds.files(kinds.selection(catalogue)):
        exists(Path(FOLDER, path))


def planned(ask):
    """An input or params function whose bad input ends the planning with one message, as does a result that cannot be
    looked at."""

    def checked(wildcards):
        try:
            look()
            return ask(wildcards)
        except (InputError, OSError) as error:
            raise WorkflowError(message(error))

    return checked


@planned
def genotypes(wildcards):
    seeds = catalogue.seeds(wildcards.supernet, wildcards.source)
    return expand(paths.GENOTYPE, seed=seeds, allow_missing=True)


def data_manifest(dataset):
    """The manifest of a data set, where it lies in data/."""
    return [f"data/{dataset}.json"] if dataset and tasks.needs_manifest(dataset) else []


def benchmark_option(wildcards, input):
    return option("--table", input.table)


def benchmark_input(file):
    """A file of the user's lies where it is, with a prefix too. Snakemake has no input with braces in its path, or not in
    UTF-8."""
    if file == nasbench201.DOWNLOAD:
        return file
    return [] if contains_wildcard(file) or escaped(file) != file else local(file)


def task_dataset(wildcards):
    return catalogue.config["tasks"][wildcards.task].get("dataset")


def gpus(wildcards):
    return catalogue.config["tasks"][wildcards.task].get("gpus", 0)


def gpu_threads(wildcards):
    """Those that make the batches of a training on GPUs: its part of eight for each."""
    return 8 * gpus(wildcards) // catalogue.config["tasks"][wildcards.task].get("share", 1) or 1


def precision(wildcards):
    chosen = catalogue.config["tasks"][wildcards.task].get("precision")
    return f"--precision {chosen}" if chosen else ""


def engine(wildcards):
    """Options of a training: what its task says beside the protocol."""
    task = catalogue.config["tasks"][wildcards.task]
    return precision(wildcards) + "".join(f" --{name} {task[name]}" for name in ("step", "share") if name in task)


@planned
def task_settings(wildcards):
    return catalogue.training_settings(wildcards.task)
