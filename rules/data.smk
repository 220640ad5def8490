"""Data sets: downloaded (nothing else comes from the network), or put or linked into data/ by the user and checked.

in   data/imagenet/train/ and data/imagenet/val/, with a folder for each class; the image folders of the configuration
out  data/{dataset}.json, what is in data/{dataset}/ or in the image folder
     data/nasbench201/NAS-Bench-201-v1_1-096897.pth, only where the configuration asks for it
"""


rule download:
    output:
        "data/{dataset}.json",
    log:
        "logs/data/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(tasks.DOWNLOADED),
    retries: 3
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    shell:
        "python -m scripts.download --dataset {wildcards.dataset} --output {output:q} > {log:q} 2>&1"


rule download_nasbench201:
    output:
        nasbench201.DOWNLOAD,
    log:
        "logs/data/nasbench201.log",
    retries: 3  # goes on where it stopped
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=600,
    shell:
        "python -m scripts.download_nasbench201 --output {output:q} 2>&1 | tee {log:q}"


rule read_images:
    output:
        "data/{dataset}.json",
    log:
        "logs/data/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(catalogue.listings) or "no-dataset",
    conda:
        "../envs/freedarts.yaml"
    threads: 8
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: (10 + catalogue.images(wildcards.dataset) // 3000) * attempt,
    params:
        settings=lambda wildcards: catalogue.dataset_settings(wildcards.dataset),
        listing=lambda wildcards: catalogue.listings[wildcards.dataset].sha256,  # so that changed images are read again
        code=code("read_images.py"),
    shell:
        "python -m scripts.read_images --settings {params.settings:q} --threads {threads} --output {output:q} > {log:q} 2>&1"


rule check_images:
    output:
        "data/{dataset}.json",
    log:
        "logs/data/{dataset}.log",
    wildcard_constraints:
        dataset="|".join(tasks.FOLDERS),
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    shell:
        "python -m scripts.check_images --dataset {wildcards.dataset} --output {output:q} > {log:q} 2>&1"
