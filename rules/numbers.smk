"""The figures that the paper prints, each one a target with its own trainings.

in   results/retrain/{task}/{supernet}/{source}/seed{seed}/run{run}/metrics.json, of all its readings
     the searches of its published genotypes' seeds, and both genotypes
out  results/numbers/{number}.json
"""

from freedarts import numbers


def evidence(wildcards):
    figure, readings = catalogue.numbers[wildcards.number], catalogue.config["readings"]
    wanted = figure["reproduced_by"]
    searched = readings["searched"]["source"]
    cases = [dict(supernet=wanted["supernet"], seed=seed) for seed in wanted["seeds"]]
    return [
        *(
            names.METRICS.format(task=t, supernet=n, source=s, seed=i, run=r)
            for cases in numbers.trainings(figure, readings).values()
            for t, n, s, i, r in cases
        ),
        *(names.SEARCH.format(score=searched, **case) for case in cases),
        *(names.GENOTYPE.format(source=s, **case) for s in (searched, wanted["source"]) for case in cases),
    ]


rule number:
    input:
        evidence,
        numbers=HERE / "resources" / "numbers.yaml",
    output:
        "results/numbers/{number}.json",
    log:
        "logs/numbers/{number}.log",
    wildcard_constraints:
        number="|".join(catalogue.numbers),
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=catalogue.readings_settings(),
        code=code("number.py"),
    shell:
        "python -m scripts.number --number {wildcards.number} --numbers {input.numbers}"
        " --settings {params.settings:q} --output {output} > {log} 2>&1"
