"""Retraining: train the final network of a genotype from scratch.

in   results/genotypes/{supernet}/{source}/seed{seed}.json, data/{dataset}.json
out  results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/metrics.json and, beside it, history.csv,
     protocol.json and weights.safetensors, and tensorboard/, which grows during the training
"""

RUN = paths.METRICS.removesuffix("metrics.json")


rule retrain:
    input:
        genotype=paths.GENOTYPE,
        data=planned(lambda wildcards: data_manifest(task_dataset(wildcards))),
    output:
        metrics=paths.METRICS,
        history=f"{RUN}history.csv",
        protocol=f"{RUN}protocol.json",
        weights=f"{RUN}weights.safetensors",
    log:
        "logs/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}.log",
    benchmark:
        "results/benchmarks/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}.tsv"
    conda:
        "../envs/freedarts.yaml"
    threads: gpu_threads
    resources:
        mem_mb=lambda wildcards, attempt: catalogue.training_memory(wildcards.task) * attempt,
        # What the release's 600 epochs on CIFAR-10 took; a longer one goes on after each limit.
        runtime=lambda w, attempt: catalogue.config["tasks"][w.task].get("minutes", 2000 if gpus(w) else 20) * attempt,
        gpu=gpus,
    params:
        settings=task_settings,
        gpus=gpus,  # not the resource: a profile may ask for it in another form
        engine=engine,
        data=lambda wildcards, input: option("--data", input.data),
        checkpoints=CHECKPOINTS,
        code=lambda wildcards: code(
            "retrain.py",
            f"spaces.{space(wildcards.supernet)}",
            tasks.module(task_dataset(wildcards)),
            released=catalogue.config["tasks"][wildcards.task].get("draw") == tasks.RELEASED,
        ),
    shell:  # exec: a stop signal to all processes of the job must not end a shell around the training first
        "exec python -m scripts.retrain --genotype {input.genotype:q} --task {wildcards.task} --run {wildcards.run} --seed {wildcards.seed}"
        " --settings {params.settings:q} {params.data} --gpus {params.gpus} {params.engine}"
        " --workers {threads} {params.checkpoints}"
        " --output {output.metrics:q} > {log:q} 2>&1"
