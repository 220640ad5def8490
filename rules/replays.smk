"""Replays: the first steps of the trainings whose logs the release has, and how far each log can be followed.

in   results/genotypes/{supernet}/{source}/seed{seed}.json, data/cifar10.json
out  results/replays/{log}/{run}.json
     results/replays/{log}.json
"""

# What the project keeps of its own replays, which take hours: shown where none is selected.
KEPT_REPLAYS = [
    shipped(f"{paths.KEPT_REPLAYS}/{path.name}") for path in sorted(BASE.glob(f"{paths.KEPT_REPLAYS}/*.json"))
]


rule replay:
    input:
        genotype=lambda wildcards: paths.GENOTYPE.format(**catalogue.logs[wildcards.log]),
        data=planned(lambda wildcards: data_manifest(catalogue.log_dataset(wildcards.log))),
    output:
        paths.REPLAY_RUN,
    log:
        "logs/replays/{log}/{run}.log",
    benchmark:
        "results/benchmarks/replays/{log}/{run}.tsv"
    wildcard_constraints:
        log="|".join(catalogue.replayable),
        run="float64|float32|run[1-9]|control",
    conda:
        "../envs/freedarts.yaml"
    threads: lambda wildcards: 8 * catalogue.replay_gpus(wildcards.log, wildcards.run) or 1
    resources:
        mem_mb=lambda wildcards, attempt: 10000 * attempt,
        runtime=lambda wildcards, attempt: (10 + catalogue.replay_steps(wildcards.log, wildcards.run)) * attempt,
        gpu=lambda wildcards: catalogue.replay_gpus(wildcards.log, wildcards.run),
    params:
        settings=planned(lambda wildcards: catalogue.replay_settings(wildcards.log)),
        steps=lambda wildcards: catalogue.replay_steps(wildcards.log, wildcards.run),
        gpus=lambda wildcards: catalogue.replay_gpus(wildcards.log, wildcards.run),
        checkpoints=CHECKPOINTS,
        code=lambda wildcards: code(
            "replay.py",
            f"spaces.{space(catalogue.logs[wildcards.log]['supernet'])}",
            tasks.module(catalogue.log_dataset(wildcards.log)),
            released=True,
        ),
    shell:  # exec: as of retrain
        "exec python -m scripts.replay --log {wildcards.log} --genotype {input.genotype:q} --run {wildcards.run} --steps {params.steps}"
        " --settings {params.settings:q} --data {input.data:q} --gpus {params.gpus} --threads {threads} {params.checkpoints}"
        " --output {output:q} > {log:q} 2>&1"


rule follow:
    input:
        planned(lambda wildcards: catalogue.replay_runs(wildcards.log)),
        logs=shipped("resources/replays.yaml"),
    output:
        paths.REPLAY,
    log:
        "logs/replays/{log}.log",
    wildcard_constraints:
        log="|".join(catalogue.replayable),
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=lambda wildcards: catalogue.follow_settings(wildcards.log),
        folder=IN_FOLDER,
        code=code("follow.py"),
    shell:
        "python -m scripts.follow --log {wildcards.log} --logs {input.logs:q} --settings {params.settings:q}"
        " {params.folder} --output {output:q} > {log:q} 2>&1"
