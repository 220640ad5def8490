"""Figures: scores as heat maps, drawn genotypes, what seeds agree on, scores against accuracies, learning curves.

in   results/search/{supernet}/{score}/seed{seed}/scores.json, results/genotypes/{supernet}/{source}/seed{seed}.json,
     results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/history.csv, every seed and run
out  results/figures/parameters.svg, of the published networks against their test errors
     results/figures/scores/{supernet}/{score}.svg, results/figures/genotypes/{supernet}/{source}.svg
     results/figures/agreement.svg, results/figures/curves.svg, results/figures/replays.svg
     results/figures/again.svg, of the table "Found again"
     results/figures/scatter.svg, of scores on NAS-Bench-201 against accuracies
"""

import json

SOURCES = [*catalogue.searches(), *catalogue.sources()]
ON_BENCHMARK = {
    "searches": catalogue.on_nasbench201(catalogue.searches()),
    "sources": catalogue.on_nasbench201(catalogue.sources()),
}


rule draw_score:
    input:
        planned(lambda w: expand(paths.SEARCH, seed=catalogue.seeds(w.supernet, w.score), allow_missing=True)),
    output:
        scores=paths.SCORES_FIGURE,
        genotypes=paths.GENOTYPES_FIGURE.replace("{source}", "{score}"),
    log:
        "logs/figures/{supernet}/{score}.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=lambda wildcards: code("draw_score.py", f"spaces.{space(wildcards.supernet)}"),
    shell:
        "python -m scripts.draw_score --title '{wildcards.supernet}, {wildcards.score}'"
        " --genotypes {output.genotypes:q} --output {output.scores:q} {input:q} > {log:q} 2>&1"


rule draw_source:
    input:
        genotypes,
    output:
        paths.GENOTYPES_FIGURE,
    log:
        "logs/figures/{supernet}/{source}.log",
    wildcard_constraints:
        source="|".join(catalogue.config["sources"]) or "no-source",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=lambda wildcards: code("draw_source.py", f"spaces.{space(wildcards.supernet)}"),
    shell:
        "python -m scripts.draw_source --title '{wildcards.supernet}, {wildcards.source}' --output {output:q} {input:q}"
        " > {log:q} 2>&1"


rule draw_agreement:
    input:
        [paths.GENOTYPE.format(supernet=n, source=s, seed=seed) for n, s, seeds in SOURCES for seed in seeds],
    output:
        f"{OWN}{paths.AGREEMENT_FIGURE}",
    log:
        f"{OWN_LOGS}figures/agreement.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=json.dumps({"sources": SOURCES}),
        folder=IN_FOLDER,
        code=code("draw_agreement.py", *(f"spaces.{space(supernet)}" for supernet in catalogue.config["supernets"])),
    shell:
        "python -m scripts.draw_agreement --settings {params.settings:q} {params.folder} --output {output:q} > {log:q} 2>&1"


rule draw_scatter:
    input:
        [paths.ARCHITECTURE_SCORES.format(score=s, architectures=n, seed=i) for s, n, i in catalogue.correlations()],
        [paths.SEARCH.format(supernet=n, score=s, seed=seeds[0]) for n, s, seeds in ON_BENCHMARK["searches"]],
        [
            paths.GENOTYPE.format(supernet=n, source=s, seed=seed)
            for case in ON_BENCHMARK.values()
            for n, s, seeds in case
            for seed in seeds
        ],
        table=BENCHMARK,
    output:
        f"{OWN}{paths.SCATTER_FIGURE}",
    log:
        f"{OWN_LOGS}figures/scatter.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=json.dumps({"correlations": catalogue.correlations(), **ON_BENCHMARK}),
        table=benchmark_option,
        folder=IN_FOLDER,
        code=code("draw_scatter.py", "spaces.nasbench201"),
    shell:
        "python -m scripts.draw_scatter --settings {params.settings:q} {params.table} {params.folder}"
        " --output {output:q} > {log:q} 2>&1"


rule draw_curves:
    input:
        [str(Path(paths.metrics_path(case)).with_name("history.csv")) for case in catalogue.trainings()],
        [paths.REPLAY.format(log=log) for log in catalogue.config["replays"]],
        published=shipped("resources/curves.yaml"),
        kept=KEPT_REPLAYS,
    output:
        f"{OWN}{paths.CURVES_FIGURE}",
    log:
        f"{OWN_LOGS}figures/curves.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=json.dumps({"trainings": catalogue.trainings(), "replays": list(catalogue.config["replays"])}),
        folder=IN_FOLDER,
        code=code("draw_curves.py"),
    shell:
        "python -m scripts.draw_curves --settings {params.settings:q} --published {input.published:q}"
        " --kept {input.kept:q} {params.folder} --output {output:q} > {log:q} 2>&1"


rule draw_parameters:
    input:
        numbers=shipped("resources/numbers.yaml"),
        costs=shipped("resources/costs.yaml"),
        field=shipped("resources/field.yaml"),
    output:
        f"{OWN}{paths.PARAMETERS_FIGURE}",
    log:
        f"{OWN_LOGS}figures/parameters.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code("draw_parameters.py"),
    shell:
        "python -m scripts.draw_parameters --numbers {input.numbers:q} --published-costs {input.costs:q}"
        " --field {input.field:q} --output {output:q} > {log:q} 2>&1"


rule draw_again:
    input:
        f"{OWN}tables.csv",
    output:
        f"{OWN}{paths.AGAIN_FIGURE}",
    log:
        f"{OWN_LOGS}figures/again.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code("draw_again.py"),
    shell:
        "python -m scripts.draw_again --tables {input:q} --output {output:q} > {log:q} 2>&1"


rule draw_replays:
    input:
        [paths.REPLAY.format(log=log) for log in catalogue.config["replays"]],
        kept=KEPT_REPLAYS,
    output:
        f"{OWN}{paths.REPLAYS_FIGURE}",
    log:
        f"{OWN_LOGS}figures/replays.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=json.dumps({"replays": list(catalogue.config["replays"])}),
        folder=IN_FOLDER,
        code=code("draw_replays.py"),
    shell:
        "python -m scripts.draw_replays --settings {params.settings:q} --kept {input.kept:q} {params.folder}"
        " --output {output:q} > {log:q} 2>&1"
