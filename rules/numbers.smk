"""The numbers that the paper and its release print: each reading, what one set of trainings or a look-up gave, and the
verdict.

in   results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/metrics.json, of a reading
     or results/nasbench201/{supernet}/{source}.json
     the searches of the published genotypes' seeds, and both genotypes
out  results/numbers/{number}/{reading}.json
     results/numbers/{number}.json
"""


def possible(number):
    """The entry of a number whose trainings or look-up there can be. InputError that says why not."""
    for fault in checks.number_faults(catalogue, number):
        raise InputError(fault)
    return catalogue.numbers[number]


@planned
def read_results(wildcards):
    """The trainings, or the look-up, of a reading."""
    number = possible(wildcards.number)
    cases = paper.reading_cases(number, catalogue.config["readings"], wildcards.reading)
    if paper.is_lookup(number):
        return paths.LOOKUP.format(**number["reproduced_by"])
    return [paths.metrics_path(case) for case in cases]


@planned
def evidence(wildcards):
    """All readings of a number, and the searches and genotypes that say whether its genotypes are found again."""
    number, readings = possible(wildcards.number), catalogue.config["readings"]
    (supernet, score), reproduced_by = paper.searched(number, readings), number["reproduced_by"]
    at = dict(supernet=supernet, seed=reproduced_by["seeds"])
    return [
        *expand(paths.READING, number=number["id"], reading=paper.cases(number, readings)),
        *expand(paths.SEARCH, score=score, **at),
        *expand(paths.GENOTYPE, source=[score, reproduced_by["source"]], **at),
    ]


rule reading:
    input:
        read_results,
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
        "python -m scripts.reading --number {wildcards.number} --reading {wildcards.reading} --numbers {input.numbers}"
        " --settings {params.settings:q} {params.folder} --output {output} > {log} 2>&1"


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
