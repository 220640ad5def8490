"""Plan and status: what the tables still need, how many hours that will take, and what there is. Always made afresh.

in   nothing but the configuration, and what is there
out  results/plan.md
     results/status.md
"""

import copy
import json
import os
import shlex
import time

from freedarts.results import status

# The beginning of a Snakemake call within a job, with --config and --configfile of this one.
given = copy.deepcopy(workflow.config_settings.overwrite_config)
update_config(given, said)
NESTED = (
    """config=$(mktemp); trap 'rm "$config"' EXIT; """
    f"""echo {shlex.quote(json.dumps(given))} >"$config"; """
    f""""$FREEDARTS_PYTHON" -m snakemake --snakefile {shlex.quote(os.path.relpath(workflow.main_snakefile))} --configfile "$config\""""
)


rule plan:
    output:
        f"{OWN}plan.md",
    log:
        f"{OWN_LOGS}plan.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        now=time.time(),  # differs from the last time, so that Snakemake makes it again
        target=f"{FOLDER}{OWN}tables.md",
        nested=verbatim(NESTED),
        settings=catalogue.plan_settings(),
        folder=IN_FOLDER,
        epochs=HERE / "resources" / "epochs.yaml",
    shell:
        """
        {params.nested} --summary {params.target:q} 2>{log:q} \
            | python -m scripts.plan --target {params.target:q} --settings {params.settings:q} --epochs {params.epochs:q} \
                {params.folder} --output {output:q} 2>>{log:q}
        """


rule status:
    output:
        f"{OWN}status.md",
    log:
        f"{OWN_LOGS}status.log",
    localrule: True
    conda:
        "../envs/freedarts.yaml"
    threads: 1
    resources:
        mem_mb=200,
        runtime=2,
    params:
        now=time.time(),
        settings=catalogue.status_settings(),
        folder=IN_FOLDER,
        numbers=HERE / "resources" / "numbers.yaml",
        epochs=HERE / "resources" / "epochs.yaml",
        command=verbatim(
            status.command(
                [os.path.relpath(path) for path in workflow.overwrite_configfiles],
                [f"{name}={json.dumps(value)}" for name, value in workflow.config_settings.config.items()],
            )
        ),
    shell:
        "python -m scripts.status --settings {params.settings:q} --numbers {params.numbers:q} --epochs {params.epochs:q}"
        " --command {params.command:q} {params.folder} --output {output:q} > {log:q} 2>&1"
