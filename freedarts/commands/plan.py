"""Say what is still to be done, and how many hours it will take.

For the tables that the configuration selects; the page stays in results/plan.md.
"""

from functools import partial

from freedarts.commands import _snakemake

configure, main = _snakemake.configure, partial(_snakemake.show, "plan.md")
