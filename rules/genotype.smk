"""Genotypes: what a search selects, or what the release lists.

in   results/search/{supernet}/{score}/seed{seed}/scores.json, or resources/genotypes/{source}/{supernet}/seed{seed}.json
out  results/genotypes/{supernet}/{source}/seed{seed}.json
"""


rule derive:
    input:
        names.SEARCH,
    output:
        names.GENOTYPE.replace("{source}", "{score}"),
    log:
        "logs/genotypes/{supernet}/{score}/seed{seed}.log",
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=200,
        runtime=2,
    params:
        code=lambda wildcards: code("derive.py", f"spaces.{space(wildcards.supernet)}"),
    shell:
        "python -m scripts.derive --search {input} --output {output} > {log} 2>&1"


rule publish:
    input:
        resource,
    output:
        names.GENOTYPE,
    log:
        "logs/genotypes/{supernet}/{source}/seed{seed}.log",
    wildcard_constraints:
        source="|".join(catalogue.config["sources"]) or "no-source",
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=200,
        runtime=2,
    params:
        code=lambda wildcards: code("publish.py", f"spaces.{space(wildcards.supernet)}"),
    shell:
        "python -m scripts.publish --resource {input} --output {output} > {log} 2>&1"
