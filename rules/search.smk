"""Search: rate every gate of an untrained supernet once, and audit the ratings.

in   nothing but the configuration; data/{dataset}.json, where a score uses data that are downloaded
out  results/search/{supernet}/{score}/seed{seed}/scores.json
"""


rule search:
    input:
        data=lambda wildcards: data_manifest(score(wildcards).get("data", {}).get("dataset")),
    output:
        paths.SEARCH,
    log:
        "logs/search/{supernet}/{score}/seed{seed}.log",
    benchmark:
        "results/benchmarks/search/{supernet}/{score}/seed{seed}.tsv"
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: search_memory(wildcards) * (1 + attempt) // 2,
        # Of a group the minutes are added up: growing more slowly they stay within a day.
        runtime=lambda wildcards, attempt: (10 + 3 * batch_size(wildcards) // 4) * (1 + attempt) // 2,
    params:
        settings=planned(lambda wildcards: catalogue.search_settings(wildcards.supernet, wildcards.score)),
        data=lambda wildcards, input: f"--data {input.data}" if input.data else "",
        code=lambda wildcards: code(
            "search.py",
            f"spaces.{space(wildcards.supernet)}",
            f"scores.{score(wildcards)['proxy']}",
            *(tasks.module(data["dataset"]) for key, data in score(wildcards).items() if key == "data"),
        ),
    shell:
        "python -m scripts.search --supernet {wildcards.supernet} --score {wildcards.score}"
        " --seed {wildcards.seed} --settings {params.settings:q} {params.data} --output {output} > {log} 2>&1"
