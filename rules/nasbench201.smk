"""NAS-Bench-201: look up the genotypes of a source, in the accuracies that are part of the package, or in the file of
the benchmark, which is converted once.

in   the benchmark file, if the configuration names one (nasbench201: file)
     results/genotypes/{supernet}/{source}/seed{seed}.json, every seed
out  data/nasbench201/architectures.parquet, data/nasbench201/trials.parquet
     results/nasbench201/{supernet}/{source}.json
"""


rule convert_nasbench201:
    input:
        planned(lambda wildcards: benchmark_input(catalogue.benchmark_file())),
    output:
        table=nasbench201.TABLE,
        trials=nasbench201.TRIALS,
    log:
        "logs/data/nasbench201-tables.log",
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=lambda wildcards, attempt: 15 * attempt,
    params:
        source=lambda wildcards, input: list(input) or catalogue.benchmark_file(),
        code=code("convert_nasbench201.py"),
    shell:
        "python -m scripts.convert_nasbench201 --source {params.source:q} --trials {output.trials:q} --output {output.table:q}"
        " 2>&1 | tee {log:q}"


rule lookup_nasbench201:
    input:
        genotypes=genotypes,
        table=BENCHMARK,
    output:
        paths.LOOKUP,
    log:
        "logs/nasbench201/{supernet}/{source}.log",
    wildcard_constraints:
        supernet=ON_NASBENCH201 or "no-supernet",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        table=benchmark_option,
        code=code("lookup_nasbench201.py", "spaces.nasbench201"),
    shell:
        "python -m scripts.lookup_nasbench201 {params.table} --output {output:q} {input.genotypes:q} > {log:q} 2>&1"
