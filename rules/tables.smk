"""Tables: everything that the configuration selects, beside what the paper prints.

in   all selected results
out  results/tables.md, results/tables.csv, results/tables.json, results/tables.tex
     results/manifest.json, digests of all results that they show
     results/README.md, this project's README with the tables, for `make readme`
"""


rule tables:
    input:
        selected_results,
        numbers=shipped("resources/numbers.yaml"),
        objectives=shipped("resources/objectives.yaml"),
        costs=shipped("resources/costs.yaml"),
        kept=KEPT_REPLAYS,
        kept_tables=shipped(paths.KEPT_TABLES),
    output:
        md=f"{OWN}tables.md",
        csv=f"{OWN}tables.csv",
        json=f"{OWN}tables.json",
        tex=f"{OWN}tables.tex",
        manifest=f"{OWN}manifest.json",
    log:
        f"{OWN_LOGS}tables.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=catalogue.table_settings(),
        folder=IN_FOLDER,
        code=code("tables.py", *(f"spaces.{space(supernet)}" for supernet in catalogue.config["supernets"])),
    shell:
        "python -m scripts.tables --settings {params.settings:q} --numbers {input.numbers:q}"
        " --objectives {input.objectives:q} --published-costs {input.costs:q} --kept {input.kept:q}"
        " --kept-tables {input.kept_tables:q} {params.folder} --output {output.md:q} > {log:q} 2>&1"


rule readme:
    input:
        tables=f"{OWN}tables.md",
        readme=shipped("README.md"),
    output:
        "results/README.md",
    log:
        "logs/readme.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=200,
        runtime=2,
    params:
        code=code("readme.py"),
    shell:
        "python -m scripts.readme --tables {input.tables:q} --kept docs/tables.md --readme {input.readme:q} --output {output:q} > {log:q} 2>&1"
