"""Preflight: whether the batch of a training fits, and how fast it will be, before the data are there.

in   results/genotypes/{supernet}/{source}/seed{seed}.json; data/{dataset}.json of an image folder of the user's
out  results/preflight/{task}/{supernet}/{source}/seed{seed}.json
"""


rule preflight:
    input:
        genotype=paths.GENOTYPE,
        # What there is to know of other data sets than image folders of the user's is known without a manifest.
        data=lambda wildcards: (
            data_manifest(task_dataset(wildcards)) if task_dataset(wildcards) in catalogue.listings else []
        ),
    output:
        "results/preflight/{task}/{supernet}/{source}/seed{seed}.json",
    log:
        "logs/preflight/{task}/{supernet}/{source}/seed{seed}.log",
    conda:
        "../envs/freedarts.yaml"
    threads: gpu_threads
    resources:
        mem_mb=lambda wildcards, attempt: (2000 + catalogue.training_memory(wildcards.task)) * attempt,
        runtime=lambda wildcards, attempt: 10 * attempt,
        gpu=gpus,
    params:
        settings=task_settings,
        gpus=gpus,
        engine=engine,
        data=lambda wildcards, input: option("--data", input.data),
        code=lambda wildcards: code("preflight.py", f"spaces.{space(wildcards.supernet)}"),
    shell:
        "python -m scripts.preflight --genotype {input.genotype:q} --settings {params.settings:q} {params.data} --gpus {params.gpus} {params.engine}"
        " --output {output:q} > {log:q} 2>&1"
