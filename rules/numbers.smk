"""The numbers that the paper and its release print: each reading, what one set of trainings or a look-up gave, and the
verdict on that of what was published.

in   results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/metrics.json, of a reading
     or results/nasbench201/{supernet}/{source}.json
     the searches of the published genotypes' seeds, and both genotypes
out  results/numbers/{number}/{reading}.json
     results/numbers/{number}.json
"""


rule reading:
    input:
        planned(lambda wildcards: catalogue.reading_results(wildcards.number, wildcards.reading)),
        numbers=shipped("resources/numbers.yaml"),
    output:
        paths.READING,
    log:
        "logs/numbers/{number}/{reading}.log",
    wildcard_constraints:
        number="|".join(catalogue.numbers),
        reading="|".join(catalogue.config["readings"]),
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=lambda wildcards: catalogue.readings_settings(wildcards.reading),
        folder=IN_FOLDER,
        code=code("reading.py"),
    shell:
        "python -m scripts.reading --number {wildcards.number} --reading {wildcards.reading} --numbers {input.numbers:q}"
        " --settings {params.settings:q} {params.folder} --output {output:q} > {log:q} 2>&1"


rule number:
    input:
        planned(lambda wildcards: catalogue.evidence(wildcards.number)),
        numbers=shipped("resources/numbers.yaml"),
    output:
        paths.NUMBER,
    log:
        "logs/numbers/{number}.log",
    wildcard_constraints:
        number="|".join(catalogue.numbers),
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=catalogue.readings_settings("published", "searched"),
        folder=IN_FOLDER,
        code=lambda wildcards: code(
            "number.py",
            f"spaces.{space(catalogue.numbers[wildcards.number]['reproduced_by']['supernet'])}",
        ),
    shell:
        "python -m scripts.number --number {wildcards.number} --numbers {input.numbers:q}"
        " --settings {params.settings:q} {params.folder} --output {output:q} > {log:q} 2>&1"
