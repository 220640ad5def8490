"""Say what is finished, what runs and what is missing.

Of the paper's numbers, the trainings and the searches that the configuration selects; the page stays in
results/status.md. May be called while the workflow runs.
"""

from functools import partial

from freedarts.commands import _snakemake

configure, main = _snakemake.configure, partial(_snakemake.show, "status.md")
