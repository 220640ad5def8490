"""The figures that the paper and its release print, each one a target with its own trainings or look-up.

in   results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/metrics.json, of all its readings
     or results/nasbench201/{supernet}/{source}.json
     the searches of its published genotypes' seeds, and both genotypes
out  results/numbers/{number}.json
"""


rule number:
    input:
        evidence,
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
        settings=catalogue.readings_settings(),
        folder=IN_FOLDER,
        code=lambda wildcards: code(
            "number.py",
            f"spaces.{space(catalogue.numbers[wildcards.number]['reproduced_by']['supernet'])}",
        ),
    shell:
        "python -m scripts.number --number {wildcards.number} --numbers {input.numbers}"
        " --settings {params.settings:q} {params.folder} --output {output} > {log} 2>&1"
