"""Search: rate every gate of an untrained supernet once, and audit the ratings.

in   nothing but the configuration; data/{dataset}.json, where a score uses data that are downloaded
out  results/search/{supernet}/{score}/seed{seed}/scores.json
"""


rule search:
    input:
        data=planned(lambda w: data_manifest(catalogue.batch(w.supernet, w.score)["dataset"])),
    output:
        paths.SEARCH,
    log:
        "logs/search/{supernet}/{score}/seed{seed}.log",
    benchmark:
        "results/benchmarks/search/{supernet}/{score}/seed{seed}.tsv"
    # The longest first, so that none is left to run alone at the end; the one that takes more memory takes longer.
    priority: lambda w: catalogue.search_memory(w.supernet, w.score)
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, attempt: catalogue.search_memory(w.supernet, w.score) * (1 + attempt) // 2,
        # Of a group the minutes are added up: growing more slowly they stay within a day.
        runtime=lambda w, attempt: (10 + 3 * catalogue.batch(w.supernet, w.score)["batch_size"] // 4)
        * (1 + attempt)
        // 2,
    params:
        settings=planned(lambda w: catalogue.search_settings(w.supernet, w.score)),
        data=lambda wildcards, input: option("--data", input.data),
        code=lambda w: code(
            "search.py",
            f"spaces.{space(w.supernet)}",
            f"scores.{catalogue.score(w.supernet, w.score)['proxy']}",
            *(tasks.module(name) for name in [catalogue.batch(w.supernet, w.score)["dataset"]] if name),
            released=catalogue.batch(w.supernet, w.score).get("draw") == tasks.RELEASED,
        ),
    shell:
        "python -m scripts.search --supernet {wildcards.supernet} --score {wildcards.score}"
        " --seed {wildcards.seed} --settings {params.settings:q} {params.data} --output {output:q} > {log:q} 2>&1"
