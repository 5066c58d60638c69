# Inside of a cluster job: one snakemake runs all of a group.
#
# Slurm's plugin would start one more, as a job step, for each job of the group. In an array it has to: that is how each
# task gets to know what to do.


if workflow.remote_exec and "SLURM_ARRAY_TASK_ID" not in os.environ:
    warn_before_the_end()
    workflow.localrules(*(found.name for found in workflow.rules))
