"""Report: tables, figures and run times in one HTML file that opens offline.

in   results/tables.json, results/manifest.json, all figures
out  results/figures/rules.svg and rules.dot, the graph of the rules that make the report
     results/report.html
     results/report-so-far.html, of what there is by now: runs nothing, and is made anew each time
"""

import hashlib
import json
import time

CONFIGURATION = hashlib.sha256(json.dumps(catalogue.config, sort_keys=True).encode()).hexdigest()
SCATTERED = bool(catalogue.correlations() or catalogue.rankings())
REPORT = json.dumps(
    {
        "searches": catalogue.searches(),
        "sources": catalogue.sources(),
        "trainings": catalogue.trainings(),
        "scatter": SCATTERED,
        "name": catalogue.config.get("name"),
        "own": OWN,
        "configuration": CONFIGURATION,
    },
    sort_keys=True,
)
FIGURES = [
    *(paths.SCORES_FIGURE.format(supernet=n, score=score) for n, score, _ in catalogue.searches()),
    *(paths.GENOTYPES_FIGURE.format(supernet=n, source=source) for n, source, _ in SOURCES),
    f"{OWN}{paths.AGREEMENT_FIGURE}",
    f"{OWN}{paths.AGAIN_FIGURE}",
    f"{OWN}{paths.CURVES_FIGURE}",
    f"{OWN}{paths.PARAMETERS_FIGURE}",
    f"{OWN}{paths.REPLAYS_FIGURE}",
    *([f"{OWN}{paths.SCATTER_FIGURE}"] if SCATTERED else []),
    f"{OWN}{paths.RULES_FIGURE}",
]


rule draw_rules:
    input:
        snakefile=shipped("Snakefile"),
        rules=[shipped(f"rules/{path.name}") for path in sorted(BASE.glob("rules/*.smk"))],
    output:
        figure=f"{OWN}{paths.RULES_FIGURE}",
        graph=f"{OWN}{paths.RULES_FIGURE}".replace(".svg", ".dot"),
    log:
        f"{OWN_LOGS}figures/rules.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        nested=verbatim(NESTED),
        target=f"{FOLDER}{OWN}report.html",
        configuration=CONFIGURATION,
        code=code("draw_rules.py"),
    shell:
        "({params.nested} --rulegraph dot -- {params.target:q} > {output.graph:q}"
        " && python -m scripts.draw_rules --graph {output.graph:q} --output {output.figure:q}) 2> {log:q}"


rule report:
    input:
        f"{OWN}manifest.json",
        FIGURES,
        tables=f"{OWN}tables.json",
        template=shipped("freedarts/report/template.html"),
        script=shipped("freedarts/report/tables.js"),
    output:
        f"{OWN}report.html",
    log:
        f"{OWN_LOGS}report.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        settings=REPORT,
        folder=IN_FOLDER,
        tables=lambda wildcards, output: Path(output[0]).with_name("tables.json"),
        code=code("report.py"),
    shell:
        "python -m scripts.report --settings {params.settings:q} --tables {params.tables:q} --template {input.template:q}"
        " {params.folder} --output {output:q} > {log:q} 2>&1"


use rule report as report_so_far with:
    input:
        template=shipped("freedarts/report/template.html"),
        script=shipped("freedarts/report/tables.js"),
    output:
        f"{OWN}report-so-far.html",
    log:
        f"{OWN_LOGS}report-so-far.log",
    params:
        settings=REPORT,
        folder=IN_FOLDER,
        tables=lambda wildcards, output: Path(output[0]).with_name("tables.json"),
        code=time.time(),  # is made anew each time
