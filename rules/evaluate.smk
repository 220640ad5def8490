"""Evaluation: test trained weights again, those of a training here, or any in the layout of the release.

in   results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/weights.safetensors, or
     data/weights/{task}/{supernet}/{source}/seed{seed}/{name}.pt, put there by the user
out  results/evaluate/{task}/{supernet}/{source}/seed{seed}/run{run}.json or {name}.json
"""

TRAINED = RUN.replace("run{run}", "{name}")
BROUGHT = "data/weights/{task}/{supernet}/{source}/seed{seed}/{name}.pt"
EVALUATION = "results/evaluate/{task}/{supernet}/{source}/seed{seed}/{name}.json"


rule evaluate:
    input:
        weights=lambda wildcards: f"{TRAINED}weights.safetensors" if wildcards.name.startswith("run") else BROUGHT,
        metrics=lambda wildcards: f"{TRAINED}metrics.json" if wildcards.name.startswith("run") else [],
        genotype=paths.GENOTYPE,
        data=lambda wildcards: data_manifest(task_dataset(wildcards)),
    output:
        EVALUATION,
    log:
        EVALUATION.replace("results/", "logs/").replace(".json", ".log"),
    wildcard_constraints:
        name="run(0|[1-9][0-9]*)|(?!run)[A-Za-z0-9_-]+",
    conda:
        "../envs/freedarts.yaml"
    threads: lambda wildcards: 8 if gpus(wildcards) else 1
    resources:
        mem_mb=lambda wildcards, attempt: catalogue.training_memory(wildcards.task) * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
        gpu=lambda wildcards: min(1, gpus(wildcards)),  # a test needs no more
    params:
        settings=task_settings,
        gpus=lambda wildcards: min(1, gpus(wildcards)),
        precision=precision,
        data=lambda wildcards, input: option("--data", input.data),
        metrics=lambda wildcards, input: option("--metrics", input.metrics),
        code=lambda wildcards: code(
            "evaluate.py",
            f"spaces.{space(wildcards.supernet)}",
            tasks.module(task_dataset(wildcards)),
            released=True,
        ),
    shell:
        "python -m scripts.evaluate --weights {input.weights:q} --genotype {input.genotype:q}"
        " --settings {params.settings:q} {params.metrics} {params.data} --gpus {params.gpus} {params.precision} --workers {threads}"
        " --output {output:q} > {log:q} 2>&1"
