"""Genotypes: what a search selects, what the release lists, or what stands beside them as a baseline.

in   results/search/{supernet}/{score}/seed{seed}/scores.json, or resources/genotypes/{source}/{supernet}/seed{seed}.json,
     or, for a baseline that is matched to another source, results/genotypes/{supernet}/{match}/seed{seed}.json, every seed
out  results/genotypes/{supernet}/{source}/seed{seed}.json
"""

from freedarts import baselines

SAMPLED = [
    paths.GENOTYPE.format(supernet=supernet, source=source, seed=seed).removeprefix("results/genotypes/")
    for supernet, source, seeds in catalogue.sources()
    if catalogue.kind(source) in baselines.KINDS
    for seed in seeds
]


rule derive:
    input:
        paths.SEARCH,
    output:
        paths.GENOTYPE.replace("{source}", "{score}"),
    log:
        "logs/genotypes/{supernet}/{score}/seed{seed}.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=200,
        runtime=2,
    params:
        code=lambda wildcards: code("derive.py", f"spaces.{space(wildcards.supernet)}"),
    shell:
        "python -m scripts.derive --search {input:q} --output {output:q} > {log:q} 2>&1"


rule publish:
    input:
        published=planned(lambda w: local(str(catalogue.resource(w.supernet, w.source, int(w.seed))))),
    output:
        paths.GENOTYPE,
    log:
        "logs/genotypes/{supernet}/{source}/seed{seed}.log",
    wildcard_constraints:
        # Not what a rule below draws; all else, so that the input function says what there is.
        supernet=f"(?!(?:{'|'.join(SAMPLED) or 'none'})$)(?:{'|'.join(catalogue.config['supernets'])})",
        source="|".join(catalogue.config["sources"]) or "no-source",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=200,
        runtime=2,
    params:
        code=lambda wildcards: code("publish.py", f"spaces.{space(wildcards.supernet)}"),
    shell:
        "python -m scripts.publish --resource {input.published:q} --seed {wildcards.seed} --output {output:q} > {log:q} 2>&1"


# A rule for each source and supernet, because one job draws all seeds: how many there are is no matter of a wildcard.
for supernet, source, seeds in catalogue.sources():
    if catalogue.kind(source) in baselines.KINDS:

        rule:
            name:
                f"sample_{supernet}_{source}"
            input:
                catalogue.matched(supernet, source),
            output:
                [paths.GENOTYPE.format(supernet=supernet, source=source, seed=seed) for seed in seeds],
            log:
                f"logs/genotypes/{supernet}/{source}.log",
            localrule: True
            conda:
                "../envs/freedarts.yaml"
            threads: 1
            resources:
                mem_mb=200,
                runtime=2,
            params:
                kind=catalogue.kind(source),
                space=verbatim(space(supernet)),
                seeds=seeds,
                code=code("sample.py", f"spaces.{space(supernet)}"),
            shell:
                "python -m scripts.sample --space {params.space:q} --kind {params.kind} --match {input:q} --seeds {params.seeds}"
                " --output {output:q} > {log:q} 2>&1"
