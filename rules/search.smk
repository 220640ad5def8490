"""Search: rate every gate of an untrained supernet once, and audit the ratings.

in   nothing but the configuration
out  results/search/{supernet}/{score}/seed{seed}/scores.json
"""


rule search:
    output:
        names.SEARCH,
    log:
        "logs/search/{supernet}/{score}/seed{seed}.log",
    benchmark:
        "results/benchmarks/search/{supernet}/{score}/seed{seed}.tsv"
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
    params:
        settings=lambda wildcards: catalogue.search_settings(wildcards.supernet, wildcards.score),
        code=lambda wildcards: code(
            "search.py",
            f"spaces.{space(wildcards.supernet)}",
            f"scores.{catalogue.config['scores'][wildcards.score]['settings']['proxy']}",
        ),
    shell:
        "python -m scripts.search --supernet {wildcards.supernet} --score {wildcards.score}"
        " --seed {wildcards.seed} --settings {params.settings:q} --output {output} > {log} 2>&1"
