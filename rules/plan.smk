"""Plan: what the tables still need, and how many hours of GPU or CPU that will take. Always made afresh.

in   nothing but the configuration, and what is there
out  results/plan.md
"""

import json
import sys
import time


rule plan:
    output:
        "results/plan.md",
    log:
        "logs/plan.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        now=time.time(),  # differs from the last time, so that Snakemake makes it again
        target="results/tables.md",
        python=sys.executable,  # that of this process: an environment of conda has no Snakemake
        snakefile=workflow.main_snakefile,
        config=json.dumps(config),
        settings=catalogue.plan_settings(),
        epochs=HERE / "resources" / "epochs.yaml",
    shell:
        """
        config=$(mktemp)
        trap 'rm "$config"' EXIT
        echo {params.config:q} >"$config"
        {params.python:q} -m snakemake --snakefile {params.snakefile:q} --configfile "$config" --summary {params.target} 2>{log} \
            | python -m scripts.plan --target {params.target} --settings {params.settings:q} --epochs {params.epochs:q} \
                --output {output} 2>>{log}
        """
