# Multi-task training: one encoder for all tasks, each trained through its own ticket, and without tickets. So is the
# encoder of a single task that new tasks continue from, with the settings of this task.
#
# Needs:  pretrained/, encoded/ and subsets/ of prepare.smk; runs, tickets and selections/ of the winning tickets at the
#         main size; for scores and comparisons what adaptation.smk makes of each task
# Makes, below results/multi_task/{shared}/{model}/, where shared names the tasks, as in amazon+movie:
#         {mode}/seed{seed}/  tickets.json, record.json, predictions.parquet, and model.safetensors, which is always
#                             kept, so that new tasks that are added later can continue from it
#         scores.parquet      one row for each way of training, seed, task, split and metric
#         comparisons.csv     every way against training without tickets, with intervals and tests

from supertickets.experiment.adaptation import single_starts
from supertickets.experiment.multi_task import (
    example_files,
    given_ratios,
    multi_task_settings,
    multi_task_grid,
    multi_task_inputs,
    outputs_by_task,
    task_settings,
    ticket_inputs,
    trials_of,
)
from supertickets.experiment.paths import MULTI_TASK, shared_name
from supertickets.experiment.settings import with_separators

#: The tasks of multi-task training, as paths name them; "none" where it is switched off.
SHARED = shared_name(shared_tasks(config)) or "none"


wildcard_constraints:
    shared=one_of([SHARED, *config["adaptation"]["from_single"]]),
    mode=one_of([*config["multi_task"]["modes"], *(mode for _, mode, _ in single_starts(config))]) or "none",


localrules:
    share_tickets,


def multi_task(suffix):
    """Path pattern below the folder of one multi-task training."""
    return f"results/{MULTI_TASK}/{suffix}"


def get_shared_metric_modules(wildcards):
    """Modules of the metrics of the tasks of multi-task training."""
    return metric_modules_of(shared_tasks(config))


def get_multi_task_inputs(wildcards):
    """Selections, records and predictions of all ways in which a model is trained on these tasks."""
    return user_errors(multi_task_inputs)(config, wildcards.model)


rule share_tickets:
    input:
        lambda wildcards: ticket_inputs(config, wildcards.shared, wildcards.model, wildcards.mode, wildcards.seed),
        shape=rules.prepare_model.output.shape,
    output:
        multi_task("tickets.json"),
    log:
        multi_task("tickets.log"),
    benchmark:
        multi_task("tickets.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    params:
        **work("multi_task.share_tickets:share_tickets"),
        trials=lambda wildcards: canonical_json(
            trials_of(config, wildcards.shared, wildcards.model, int(wildcards.seed))
        ),
        ratios=lambda wildcards: canonical_json(given_ratios(config, wildcards.model)),
        outputs=lambda wildcards: canonical_json(outputs_by_task(config, wildcards.shared)),
    shell:
        "python -P -m supertickets {params.work} --results results --trials {params.trials:q} --mode {wildcards.mode}"
        " --ratios {params.ratios:q} --shape {input.shape:q} --outputs {params.outputs:q} --tickets {output:q}"
        " > {log:q} 2>&1"


rule train_multi_task:
    input:
        lambda wildcards: [
            path
            for files in example_files(config, wildcards.shared, wildcards.model, wildcards.seed).values()
            for path in files.values()
        ],
        config=rules.prepare_model.output.config,
        weights=rules.prepare_model.output.weights,
        shape=rules.prepare_model.output.shape,
        tickets=rules.share_tickets.output,
    output:
        trained=multi_task("model.safetensors"),
        record=multi_task("record.json"),
        predictions=multi_task("predictions.parquet"),
    log:
        multi_task("train.log"),
    benchmark:
        multi_task("benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
        gpu=GPUS,
    params:
        **work("multi_task.run:train_multi_task"),
        run=lambda wildcards: canonical_json(dict(wildcards.items()) | {"seed": int(wildcards.seed)}),
        tasks=lambda wildcards: canonical_json(task_settings(config, wildcards.shared, wildcards.model, wildcards.seed)),
        settings=lambda wildcards: canonical_json(multi_task_settings(config, wildcards.shared, wildcards.model)),
        options=get_training_options,
    shell:
        "python -P -m supertickets {params.work} --config {input.config:q} --weights {input.weights:q}"
        " --shape {input.shape:q} --tickets {input.tickets:q} --tasks {params.tasks:q} --run {params.run:q}"
        " --settings {params.settings:q} --record {output.record:q} --predictions {output.predictions:q}"
        " {params.options} > {log:q} 2>&1"


rule score_multi_task:
    input:
        get_multi_task_inputs,
    output:
        "results/multi_task/{shared}/{model}/scores.parquet",
    log:
        "results/logs/score_multi_task/{shared}/{model}.log",
    benchmark:
        "results/benchmarks/score_multi_task/{shared}/{model}.tsv"
    wildcard_constraints:
        shared=one_of([SHARED]),
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        **work("multi_task.scores:score_multi_task", get_shared_metric_modules),
        grid=lambda wildcards: canonical_json(multi_task_grid(config, wildcards.model)),
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --scores {output:q}"
        " > {log:q} 2>&1"


rule compare_multi_task:
    input:
        get_multi_task_inputs,
    output:
        "results/multi_task/{shared}/{model}/comparisons.csv",
    log:
        "results/logs/compare_multi_task/{shared}/{model}.log",
    benchmark:
        "results/benchmarks/compare_multi_task/{shared}/{model}.tsv"
    wildcard_constraints:
        shared=one_of([SHARED]),
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        **work("multi_task.scores:compare_multi_task", get_shared_metric_modules),
        grid=lambda wildcards: canonical_json(
            with_separators(multi_task_grid(config, wildcards.model), config, shared_tasks(config))
        ),
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --table {output:q}"
        " > {log:q} 2>&1"
