"""Costs: parameters and multiply-adds of the final networks of all genotypes of a source.

in   results/genotypes/{supernet}/{source}/seed{seed}.json, every seed
out  results/costs/{task}/{supernet}/{source}.json
"""


rule cost:
    input:
        genotypes,
    output:
        paths.COST,
    log:
        "logs/costs/{task}/{supernet}/{source}.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        settings=lambda wildcards: catalogue.cost_settings(wildcards.task),
        code=lambda wildcards: code("cost.py", f"spaces.{space(wildcards.supernet)}"),
    shell:
        "python -m scripts.cost --settings {params.settings:q} --output {output:q} {input:q} > {log:q} 2>&1"
