# Measure how long full models, tickets and rivals take on this machine. Nothing is trained: time depends on shapes
# alone.
#
# Needs:  pretrained/ of prepare.smk, of rivals too; tickets and scores/ of the winning tickets at the main size
# Makes:  results/latency/{model}/{task}.csv   a row for each model, backend, device, number of threads, batch, length
#         results/latency/{model}/{task}.json  the machine
#
# A job takes all cores, so that nothing is measured while other jobs compute. profiles/slurm has it alone on a node.

from supertickets.experiment.exports import require_trained
from supertickets.experiment.latency import LATENCY, latency_settings, measured_inputs
from supertickets.experiment.repeated import repeated_grid
from supertickets.experiment.rivals import rivals_of
from supertickets.experiment.settings import outputs_of


def get_measured_inputs(wildcards):
    """Files that decide which tickets are measured."""
    user_errors(require_trained)(config, wildcards.model, wildcards.task, "latency")
    return measured_inputs(config, wildcards.model, wildcards.task)


def get_measured_rivals(wildcards):
    """Config, weights and shape of the encoders of rivals."""
    own = (rules.prepare_model.output.config, rules.prepare_model.output.weights, rules.prepare_model.output.shape)
    return [path.format(model=rival) for rival in rivals_of(config, wildcards.model) for path in own]


def measured_mb(wildcards):
    """Sizes of all models that a job holds, in MB."""
    rivals = map(weights_mb, rivals_of(config, wildcards.model))
    return resources.measured_mb(config, weights_mb(wildcards.model), *rivals)


def get_measuring_memory(wildcards, attempt):
    """Memory of a job that measures latency, in MB."""
    return resources.grown(attempt, resources.measuring_mb(config, measured_mb(wildcards), bool(GPUS)))


def get_measuring_minutes(wildcards, attempt):
    """Time of a job that measures latency, in minutes."""
    return resources.grown(attempt, resources.measuring_minutes(config, measured_mb(wildcards)))


rule measure_latency:
    input:
        get_measured_inputs,
        get_measured_rivals,
        config=rules.prepare_model.output.config,
        weights=rules.prepare_model.output.weights,
        shape=rules.prepare_model.output.shape,
    output:
        table=f"results/{LATENCY}.csv",
        machine=f"results/{LATENCY}.json",
    log:
        "results/logs/measure_latency/{model}/{task}.log",
    benchmark:
        "results/benchmarks/measure_latency/{model}/{task}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    threads: lambda wildcards: workflow.cores
    resources:
        mem_mb=get_measuring_memory,
        runtime=get_measuring_minutes,
        gpu=GPUS,
    params:
        **work("exports.latency:measure_latency"),
        grid=lambda wildcards: canonical_json(repeated_grid(config, wildcards.model)),
        group=get_main_group,
        metric=get_first_metric,
        settings=canonical_json(latency_settings(config)),
        rivals=lambda wildcards: canonical_json(rivals_of(config, wildcards.model)),
        outputs=lambda wildcards: outputs_of(config, wildcards.task),
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --metric {params.metric} --settings {params.settings:q} --rivals {params.rivals:q} --outputs {params.outputs}"
        " --threads {threads} --config {input.config:q} --weights {input.weights:q} --shape {input.shape:q}"
        " --table {output.table:q} --machine {output.machine:q} > {log:q} 2>&1"
