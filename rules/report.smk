"""Report: tables, figures and run times in one HTML file that opens offline.

in   results/tables.md, all figures
out  results/report.html
     results/report-so-far.html, of what there is by now: runs nothing, and is made anew each time
"""

import hashlib
import json
import time

REPORT = json.dumps(
    {
        "searches": catalogue.searches(),
        "published": catalogue.published(),
        "trainings": catalogue.trainings(),
        "configuration": hashlib.sha256(json.dumps(catalogue.config, sort_keys=True).encode()).hexdigest(),
    },
    sort_keys=True,
)
FIGURES = [
    *(names.SCORES_FIGURE.format(supernet=n, score=score) for n, score, _ in catalogue.searches()),
    *(names.GENOTYPES_FIGURE.format(supernet=n, source=source) for n, source, _ in SOURCES),
    names.AGREEMENT_FIGURE,
    names.CURVES_FIGURE,
]


rule report:
    input:
        "results/tables.md",
        FIGURES,
        template=HERE / "freedarts" / "report" / "template.html",
    output:
        "results/report.html",
    log:
        "logs/report.log",
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        settings=REPORT,
        code=code("report.py"),
    shell:
        "python -m scripts.report --settings {params.settings:q} --tables results/tables.md --template {input.template}"
        " --output {output} > {log} 2>&1"


use rule report as report_so_far with:
    input:
        template=HERE / "freedarts" / "report" / "template.html",
    output:
        "results/report-so-far.html",
    log:
        "logs/report-so-far.log",
    params:
        settings=REPORT,
        code=time.time(),  # is made anew each time
