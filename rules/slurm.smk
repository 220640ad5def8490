"""The site is asked before the first job is submitted to it, and jobs of a dead driver are cancelled."""

import os

from freedarts.files import InputError
from freedarts.jobs import slurm
from freedarts.jobs.driver import at_work


onstart:
    say_unrecorded()
    if workflow.executor_plugin.name == "slurm":
        submitted = [job for job in workflow.dag.needrun_jobs() if not workflow.is_local(job.rule)]
        if submitted:  # a plan, or a look at the status, asks and cancels nothing
            options = workflow.executor_settings
            try:  # otherwise every job would be refused, and again with each retry
                slurm.check(requests(submitted))
                slurm.check_driver(
                    options.status_command, options.init_seconds_before_status_checks, options.array_jobs
                )
                slurm.cancel_orphans(os.path.realpath("."), at_work(Path(".snakemake")) if driver else None)
            except InputError as error:
                raise WorkflowError(str(error))


def requests(jobs):
    """What SLURM will be asked for: by the first attempt and the last, of jobs and groups of them."""
    units = dict.fromkeys(workflow.dag.get_job_group(job) or job for job in jobs)
    for attempt in (1, 1 + workflow.execution_settings.retries):
        for unit in units:
            unit.attempt = attempt
            name = f"the group {unit.groupid}" if unit.is_group() else unit.rule.name
            yield f"{name}, attempt {attempt}", unit.threads, dict(unit.resources.items())
    for unit in units:
        unit.attempt = 1
