"""The catalogue of the configuration, and what is common to the stages: allowed names, digests of code, inputs."""

import gc
import json
import os
import shlex
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from freedarts import baselines, nasbench201, plugins, scores, tasks
from freedarts.files import InputError
from freedarts.jobs import slurm
from freedarts.jobs.driver import at_work, remove_dead_lock, set_job_environment
from freedarts.results import status
from freedarts.study import checks, paper, paths, settings
from freedarts.study.catalogue import Catalogue
from freedarts.study.code import code_digest

BASE = Path(workflow.basedir)
# Relative, so that a project that moves, or a clone with results copied in, runs nothing again.
HERE = Path(os.path.relpath(BASE))

gc.freeze()  # Snakemake's modules stay: looking through them for garbage takes a fifth of a planning
set_job_environment(BASE)
driver = None
if workflow.is_main_process and not workflow.dryrun:
    driver = remove_dead_lock(Path(".snakemake"))

update_config(config, settings.typed(dict(workflow.config_settings.config)))
try:
    catalogue = Catalogue(config, HERE)
except InputError as error:
    raise WorkflowError(str(error))


SAMPLED = [
    paths.GENOTYPE.format(supernet=supernet, source=source, seed=seed).removeprefix("results/genotypes/")
    for supernet, source, seeds in catalogue.sources()
    if catalogue.kind(source) in baselines.KINDS
    for seed in seeds
]


onstart:
    if workflow.executor_plugin.name == "slurm":
        submitted = [job for job in workflow.dag.needrun_jobs() if not workflow.is_local(job.rule)]
        if submitted:  # a plan, or a look at the status, asks and cancels nothing
            options = workflow.executor_settings
            try:  # otherwise every job would be refused, and again with each retry
                slurm.check(requests(submitted))
                slurm.check_driver(
                    options.status_command, options.init_seconds_before_status_checks, options.array_jobs
                )
                slurm.cancel_orphans(os.path.realpath("."), at_work(Path(".snakemake")) if driver else None)
            except InputError as error:
                raise WorkflowError(str(error))


def requests(jobs):
    """What SLURM will be asked for: by the first attempt and the last, of jobs and groups of them."""
    units = dict.fromkeys(workflow.dag.get_job_group(job) or job for job in jobs)
    for attempt in (1, 1 + workflow.execution_settings.retries):
        for unit in units:
            unit.attempt = attempt
            name = f"the group {unit.groupid}" if unit.is_group() else unit.rule.name
            yield f"{name}, attempt {attempt}", unit.threads, dict(unit.resources.items())
    for unit in units:
        unit.attempt = 1


wildcard_constraints:
    supernet="|".join(catalogue.config["supernets"]),
    score="|".join(catalogue.config["scores"]),
    source="|".join([*catalogue.config["sources"], *catalogue.config["scores"]]),
    task="|".join(catalogue.config["tasks"]),
    seed="0|[1-9][0-9]*",
    run="0|[1-9][0-9]*",


@cache
def code(script, *needed):
    """Digest of a script and of the library modules that it depends on; thousands of jobs share a few of them."""
    named = (module.split(".", 1) for module in needed)
    return code_digest(BASE / "scripts" / script, *(plugins.source(kind, name) for kind, name in named))


# The beginning of a Snakemake call within a job, with the configuration of this one, --config and --configfile
# included.
NESTED = (
    """config=$(mktemp); trap 'rm "$config"' EXIT; """
    f"""echo {shlex.quote(json.dumps(config, sort_keys=True))} >"$config"; """
    f""""$FREEDARTS_PYTHON" -m snakemake --snakefile {shlex.quote(str(HERE / "Snakefile"))} --configfile "$config\""""
)


def space(supernet):
    return catalogue.config["supernets"][supernet]["space"]


def planned(ask):
    """An input or params function whose bad input ends the planning with one message."""

    def checked(wildcards):
        try:
            return ask(wildcards)
        except InputError as error:
            raise WorkflowError(str(error))

    return checked


@planned
def resource(wildcards):
    return catalogue.resource(wildcards.supernet, wildcards.source, int(wildcards.seed))


@planned
def genotypes(wildcards):
    seeds = catalogue.seeds(wildcards.supernet, wildcards.source)
    return expand(paths.GENOTYPE, seed=seeds, allow_missing=True)


@planned
def searches(wildcards):
    return expand(paths.SEARCH, seed=catalogue.seeds(wildcards.supernet, wildcards.score), allow_missing=True)


@planned
def benchmark_file(wildcards):
    return catalogue.benchmark_file()


def manifest(dataset):
    """The manifest of a data set, where it lies in data/."""
    return [f"data/{dataset}.json"] if dataset and tasks.needs_manifest(dataset) else []


def folder_manifest(dataset):
    """The manifest of an image folder of the user's; what is known of other data sets is known without one."""
    return manifest(dataset) if dataset in catalogue.listings else []


def images(dataset):
    facts = catalogue.datasets[dataset]
    return facts.train_images + facts.test_images


def task_dataset(wildcards):
    return catalogue.config["tasks"][wildcards.task].get("dataset")


def score(wildcards):
    return catalogue.score(wildcards.supernet, wildcards.score)


def batch_size(wildcards):
    return score(wildcards).get("data", {}).get("batch_size", 1)


def search_memory(wildcards):
    """MB. Measured, audit included (benchmarks/results): 1,000, and at most 125 an image for second derivatives, 66 for
    first ones, both on the MobileNet supernet."""
    return 2000 + scores.signature(score(wildcards)["proxy"]).megabytes * batch_size(wildcards)


def architecture_dataset(wildcards):
    return catalogue.config["architecture_scores"][wildcards.score].get("data", {}).get("dataset")


def gpus(wildcards):
    return catalogue.config["tasks"][wildcards.task].get("gpus", 0)


def precision(wildcards):
    chosen = catalogue.config["tasks"][wildcards.task].get("precision")
    return f"--precision {chosen}" if chosen else ""


def engine(wildcards):
    """Options of a training: what its task says beside the protocol."""
    compiled = catalogue.config["tasks"][wildcards.task].get("compile", "auto")
    return precision(wildcards) + {True: " --compile yes", False: " --compile no"}.get(compiled, "")


def one_gpu(wildcards):
    """A test needs no more."""
    return min(1, gpus(wildcards))


def training_memory(wildcards):
    """MB; each of the processes that read an image folder has two batches ready."""
    task = catalogue.config["tasks"][wildcards.task]
    facts = catalogue.datasets.get(task.get("dataset"))
    if facts is None or facts.held:
        return 4000 * gpus(wildcards) + (0 if gpus(wildcards) else 2000) + 2 * (facts.megabytes if facts else 0)
    image = 3 * task["network"]["image_size"] ** 2 * 4
    return 6000 * max(1, gpus(wildcards)) + 16 * task["protocol"]["batch_size"] * image // 10**6


@planned
def searching(wildcards):
    return catalogue.search_settings(wildcards.supernet, wildcards.score)


@planned
def training(wildcards):
    return catalogue.task_settings(wildcards.task, ("space", "dataset", "network", "protocol"))


def trained(wildcards):
    """Weights of a training, with its metrics, or weights that the user brings."""
    if wildcards.name.startswith("run"):
        folder = paths.METRICS.format(**wildcards, run=wildcards.name.removeprefix("run")).removesuffix("metrics.json")
        return {"weights": f"{folder}weights.safetensors", "metrics": f"{folder}metrics.json"}
    return {"weights": "data/weights/{task}/{supernet}/{source}/seed{seed}/{name}.pt".format(**wildcards)}


@planned
def evidence(wildcards):
    """All that a figure of the paper is judged by."""
    for fault in checks.number_faults(catalogue, wildcards.number):
        raise InputError(fault)
    figure, readings = catalogue.numbers[wildcards.number], catalogue.config["readings"]
    wanted, (supernet, score) = figure["reproduced_by"], paper.searched(figure, readings)
    cases = [dict(supernet=supernet, seed=seed) for seed in wanted["seeds"]]
    return [
        *map(paths.metrics_path, paper.trainings(figure, readings)),
        *([paths.LOOKUP.format(**wanted)] if paper.is_lookup(figure) else []),
        *(paths.SEARCH.format(score=score, **case) for case in cases),
        *(paths.GENOTYPE.format(source=s, **case) for s in (score, wanted["source"]) for case in cases),
    ]


def selected(wildcards):
    found = [*catalogue.searches(), *catalogue.sources()]
    return [
        *(
            paths.SEARCH.format(supernet=n, score=s, seed=seed)
            for n, s, seeds in catalogue.searches()
            for seed in seeds
        ),
        *(paths.GENOTYPE.format(supernet=n, source=s, seed=seed) for n, s, seeds in found for seed in seeds),
        *(paths.COST.format(task=t, supernet=n, source=s) for t, n, s in catalogue.costs()),
        *(paths.LOOKUP.format(supernet=n, source=s) for n, s in catalogue.lookups()),
        *map(paths.metrics_path, catalogue.trainings()),
        *catalogue.correlation_files(),
        *(paths.NUMBER.format(number=number) for number in catalogue.config["numbers"]),
    ]
