"""Preflight: whether the batch of a training fits, and how fast it will be, before the data are there.

in   results/genotypes/{supernet}/{source}/seed{seed}.json
out  results/preflight/{task}/{supernet}/{source}/seed{seed}.json
"""


rule preflight:
    input:
        names.GENOTYPE,
    output:
        "results/preflight/{task}/{supernet}/{source}/seed{seed}.json",
    log:
        "logs/preflight/{task}/{supernet}/{source}/seed{seed}.log",
    conda:
        "../envs/freedarts.yaml"
    threads: lambda wildcards: 2 if gpus(wildcards) else 1
    resources:
        mem_mb=lambda wildcards, attempt: (2000 + training_memory(wildcards)) * attempt,
        runtime=10,
        gpu=gpus,
    params:
        settings=training,
        gpus=gpus,
        code=lambda wildcards: code("preflight.py", f"spaces.{space(wildcards.supernet)}"),
    shell:
        "python -m scripts.preflight --genotype {input} --settings {params.settings:q} --gpus {params.gpus}"
        " --output {output} > {log} 2>&1"
