"""Data sets: downloaded (nothing else comes from the network), or put or linked into data/ by the user and checked.

in   data/imagenet/train/ and data/imagenet/val/, with a folder for each class
out  data/{dataset}.json, what is in data/{dataset}/
"""


rule download:
    output:
        "data/{dataset}.json",
    log:
        "logs/data/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(tasks.DOWNLOADED),
    retries: 3
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    shell:
        "python -m scripts.download --dataset {wildcards.dataset} --output {output} > {log} 2>&1"


rule check_images:
    output:
        "data/{dataset}.json",
    log:
        "logs/data/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(tasks.FOLDERS),
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        classes=1000,
    shell:
        "python -m scripts.check_images --classes {params.classes} --output {output} > {log} 2>&1"
