# Reproduction of FreeDARTS (arXiv 2106.11542 v2). A folder of results names the rule that makes it:
#
#   results/search/{supernet}/{score}/seed{seed}/scores.json
#   results/genotypes/{supernet}/{source}/seed{seed}.json
#   results/costs/{task}/{supernet}/{source}.json
#   results/nasbench201/{supernet}/{source}.json
#   results/nasbench201/scores/{score}/{architectures}/seed{seed}.json
#   results/nasbench201/correlations/{score}/{architectures}/seed{seed}.json
#   results/preflight/{task}/{supernet}/{source}/seed{seed}.json
#   results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/metrics.json
#   results/evaluate/{task}/{supernet}/{source}/seed{seed}/{name}.json
#   results/replays/{log}/{run}.json, results/replays/{log}.json
#   results/numbers/{number}/{reading}.json, results/numbers/{number}.json
#   results/figures/scores/{supernet}/{score}.svg, results/figures/genotypes/{supernet}/{source}.svg
# and, in results/NAME/ where the configuration has a name:
#   results/tables.md, results/tables.csv, results/tables.tex, results/manifest.json
#   results/figures/agreement.svg, results/figures/curves.svg, results/figures/rules.svg
#   results/plan.md, what the tables still need; results/status.md, what there is
#   results/report.html, results/report-so-far.html
#
# data/{dataset}.json stands for a data set that was downloaded, data/nasbench201/ holds that benchmark, checkpoints/ holds trainings that go on after a kill.
# Logs and Snakemake's measurements mirror these paths in logs/ and results/benchmarks/. A rule with `localrule` runs beside the driver on a cluster too:
# it takes seconds, or needs the network.
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")
BASE = Path(str(workflow.current_basedir))  # not workflow.basedir: that of a workflow that imports this one
if not BASE.is_dir():
    raise WorkflowError(
        f"snakefile: {BASE} is no folder; allowed: Snakefile in a clone, which holds all that the jobs call"
    )


# Before anything is logged of the files that are read.
include: "rules/module.smk"


configfile: f"{BASE}/config/config.yaml"


# First, so that it is the default target, but not of a workflow that imports this one and has its own.
rule all:
    input:
        lambda wildcards: f"{OWN}tables.md",


include: "rules/common.smk"
include: "rules/slurm.smk"
include: "rules/data.smk"
include: "rules/search.smk"
include: "rules/genotype.smk"
include: "rules/cost.smk"
include: "rules/nasbench201.smk"
include: "rules/architectures.smk"
include: "rules/preflight.smk"
include: "rules/retrain.smk"
include: "rules/evaluate.smk"
include: "rules/replays.smk"
include: "rules/numbers.smk"
include: "rules/records.smk"
include: "rules/tables.smk"
include: "rules/plan.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
