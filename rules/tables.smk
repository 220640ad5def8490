"""Tables: everything that the configuration selects, beside what the paper prints.

in   all selected results
out  results/tables.md, results/tables.csv
"""


def selected(wildcards):
    searched = [
        pattern.format(supernet=supernet, score=score, source=score, seed=seed)
        for supernet, score, seeds in catalogue.searches()
        for seed in seeds
        for pattern in (names.SEARCH, names.GENOTYPE)
    ]
    published = [
        names.GENOTYPE.format(supernet=supernet, source=source, seed=seed)
        for source, entry in catalogue.config["sources"].items()
        for supernet in entry["supernets"]
        for seed in entry["seeds"]
    ]
    costs = [
        names.COST.format(task=task, supernet=supernet, source=source) for task, supernet, source in catalogue.costs()
    ]
    trained = [
        names.METRICS.format(task=task, supernet=supernet, source=source, seed=seed, run=run)
        for task, supernet, source, seed, run in catalogue.trainings()
    ]
    return [*searched, *published, *costs, *trained]


rule tables:
    input:
        results=selected,
        numbers=BASE / "resources" / "numbers.yaml",
        costs=BASE / "resources" / "costs.yaml",
    output:
        md="results/tables.md",
        csv="results/tables.csv",
    log:
        "logs/tables.log",
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=catalogue.table_settings(),
        code=code("tables.py", *(f"spaces.{space(supernet)}" for supernet in catalogue.config["supernets"])),
    shell:
        "python {BASE}/scripts/tables.py --settings {params.settings:q} --numbers {input.numbers}"
        " --published-costs {input.costs} --output {output.md} > {log} 2>&1"
