"""Where this workflow and its results lie: elsewhere than in the working folder, where another workflow imports it."""

import os
import shlex
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import contains_wildcard
from snakemake.logging import logger

from freedarts.files import escaped
from freedarts.jobs import console

console.escape(logger)
# Relative, so that a project that moves, or a clone with results copied in, runs nothing again.
HERE = Path(os.path.relpath(BASE))
if {*"{}"} & {*str(BASE)} or escaped(str(HERE)) != str(HERE):
    why = "Snakemake takes braces for wildcards and writes UTF-8; allowed: a path in UTF-8 without braces"
    raise WorkflowError(f"snakefile: {escaped(str(BASE))}: {why}")
# What lies below the working folder in a project of its own: with the `prefix` of a workflow that imports this one, below
# that. Snakemake moves outputs and inputs there; jobs that look results up are told.
moved = workflow.modifier.path_modifier.replace_prefix
FOLDER = moved("results/").removesuffix("results/")
if any(moved(name) != f"{FOLDER}{name}" for name in ("results/", "logs/", "data/")):
    raise WorkflowError("replace_prefix: results, logs and data of this workflow stay in one folder; allowed: prefix")


def option(name, path):
    """Of a shell line; nothing without a path."""
    return f"{name} {shlex.quote(str(path))}" if path else ""


def verbatim(text):
    """A params function of a text with braces, which Snakemake would take for wildcards."""
    return lambda wildcards: text


IN_FOLDER = option("--folder", FOLDER)
CHECKPOINTS = option("--checkpoints", FOLDER and f"{FOLDER}checkpoints")

for package in ("freedarts", "scripts"):
    if Path(package, "__init__.py").exists() and not BASE.samefile(Path()):
        raise WorkflowError(
            f"{package}/__init__.py: a package of this name hides that of the workflow in {HERE} from its jobs"
        )


def shipped(path):
    """A file of this workflow, which no prefix moves."""
    return local(str(HERE / path))
