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
#   results/numbers/{number}.json
#   results/tables.md, results/tables.csv, results/tables.tex, results/manifest.json
#   results/figures/scores/{supernet}/{score}.svg, results/figures/genotypes/{supernet}/{source}.svg
#   results/figures/agreement.svg, results/figures/curves.svg, results/figures/rules.svg
#   results/plan.md, what the tables still need; results/status.md, what there is
#   results/report.html, results/report-so-far.html
#
# data/{dataset}.json stands for a data set that was downloaded, data/nasbench201/ holds that benchmark, checkpoints/ holds trainings that go on after a kill.
# Logs and Snakemake's measurements mirror these paths in logs/ and results/benchmarks/.
from snakemake.utils import min_version

min_version("9.0")


configfile: f"{workflow.basedir}/config/config.yaml"


# On a cluster these run beside the driver: they take seconds, or need the network.
localrules:
    all,
    download,
    download_nasbench201,
    check_images,
    derive,
    publish,
    cost,
    lookup_nasbench201,
    correlate,
    tables,
    readme,
    number,
    draw_score,
    draw_source,
    draw_agreement,
    draw_curves,
    draw_ranks,
    draw_rules,
    report,
    report_so_far,


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
include: "rules/numbers.smk"
include: "rules/tables.smk"
include: "rules/plan.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        "results/tables.md",
