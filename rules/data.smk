"""Data sets from the network; nothing else is fetched from there.

out  data/{dataset}.json, the digest of every file, and the files in data/{dataset}/
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
