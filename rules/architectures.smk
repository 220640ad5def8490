"""Scores of whole architectures of NAS-Bench-201, and their rank correlation with the true accuracies; that of what a
search rates, too.

in   nothing but the configuration; data/{dataset}.json, where a score uses data that are downloaded
     results/search/{supernet}/{score}/seed{seed}/scores.json, every seed, on NAS-Bench-201
     data/nasbench201/architectures.parquet, for the correlations, if the configuration names a benchmark file
out  results/nasbench201/scores/{score}/{architectures}/seed{seed}.json, of a sample with so many architectures
     results/nasbench201/correlations/{score}/{architectures}/seed{seed}.json
     results/nasbench201/rankings/{supernet}/{score}.json
"""


rule score_architectures:
    input:
        data=planned(lambda wildcards: data_manifest(catalogue.architecture_dataset(wildcards.score))),
    output:
        paths.ARCHITECTURE_SCORES,
    log:
        "logs/nasbench201/scores/{score}/{architectures}/seed{seed}.log",
    wildcard_constraints:
        score="|".join(catalogue.config["architecture_scores"]) or "no-score",
        architectures="[1-9][0-9]*",
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        # 15,625 scores take two minutes with synflow, and on a batch up to three seconds each.
        runtime=lambda wildcards, attempt: (10 + int(wildcards.architectures) // 20) * attempt,
    params:
        settings=lambda wildcards: catalogue.architecture_score_settings(wildcards.score),
        data=lambda wildcards, input: option("--data", input.data),
        checkpoints=CHECKPOINTS,
        code=lambda wildcards: code(
            "score_architectures.py",
            "spaces.nasbench201",
            *(tasks.module(name) for name in [catalogue.architecture_dataset(wildcards.score)] if name),
            *catalogue.architecture_code(wildcards.score),
        ),
    shell:
        "exec python -m scripts.score_architectures --score {wildcards.score} --architectures {wildcards.architectures}"
        " --seed {wildcards.seed} --settings {params.settings:q} {params.data} {params.checkpoints} --output {output:q} > {log:q} 2>&1"


rule correlate:
    input:
        scores=paths.ARCHITECTURE_SCORES,
        table=BENCHMARK,
    output:
        paths.CORRELATION,
    log:
        "logs/nasbench201/correlations/{score}/{architectures}/seed{seed}.log",
    wildcard_constraints:
        score="|".join(catalogue.config["architecture_scores"]) or "no-score",
        architectures="[1-9][0-9]*",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        table=benchmark_option,
        code=code("correlate.py"),
    shell:
        "python -m scripts.correlate --scores {input.scores:q} {params.table} --output {output:q} > {log:q} 2>&1"


rule correlate_search:
    input:
        searches=planned(lambda w: expand(paths.SEARCH, seed=catalogue.seeds(w.supernet, w.score), allow_missing=True)),
        table=BENCHMARK,
    output:
        paths.RANKING,
    log:
        "logs/nasbench201/rankings/{supernet}/{score}.log",
    wildcard_constraints:
        supernet=ON_NASBENCH201 or "no-supernet",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        table=benchmark_option,
        code=code("correlate_search.py", "spaces.nasbench201"),
    shell:
        "python -m scripts.correlate_search {params.table} --output {output:q} {input.searches:q} > {log:q} 2>&1"
