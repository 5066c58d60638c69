# Continue from an encoder of other tasks: on a new task, or on one of its tasks alone.
#
# Needs:  model.safetensors and tickets of multi_task.smk; encoded/ and subsets/ of prepare.smk; full models of the new
#         tasks
# Makes:  results/adaptation/{shared}/{model}/{task}/n{train_size}/seed{seed}/{mode}-{ticket}/
#                             ticket.json, record.json, predictions.parquet and, if kept, start.safetensors,
#                             model.safetensors
#         results/adaptation/{shared}/{model}/scores.parquet   one row for each way, seed, task, size, split and metric
#         results/adaptation/{shared}/{model}/comparisons.csv  every way against the others, with intervals and tests

from supertickets.experiment.adaptation import (
    adaptation_grid,
    adaptation_inputs,
    adaptation_name,
    compared_importance,
    adaptation_ticket_settings,
    new_importance,
)
from supertickets.experiment.paths import ADAPTATION
from supertickets.experiment.settings import with_separators


wildcard_constraints:
    ticket="own|full|union|nearest",


localrules:
    draw_adaptation_ticket,


def adaptation(suffix):
    """Path pattern below the folder of one training that continues from an encoder of other tasks, or of one."""
    return f"results/{ADAPTATION}/{suffix}"


def get_adaptation_run(wildcards):
    """The identity of such a training as JSON."""
    names = {key: wildcards[key] for key in ("shared", "model", "task", "mode", "ticket")}
    return canonical_json({**names, "train_size": size_from(wildcards.train_size), "seed": int(wildcards.seed)})


def get_adaptation_inputs(wildcards):
    """Records and predictions of all trainings of a model on new tasks."""
    return user_errors(adaptation_inputs)(config, wildcards.model)


def get_new_metric_modules(wildcards):
    """Modules of the metrics of the new tasks."""
    return metric_modules_of(config["adaptation"]["tasks"])


rule draw_adaptation_ticket:
    input:
        lambda wildcards: list(compared_importance(config, dict(wildcards.items()), wildcards.ticket).values()),
        tickets=rules.share_tickets.output,
        shape=rules.prepare_model.output.shape,
    output:
        adaptation("ticket.json"),
    log:
        adaptation("ticket.log"),
    benchmark:
        adaptation("ticket.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    params:
        **work("multi_task.adaptation_ticket:draw_adaptation_ticket"),
        run=get_adaptation_run,
        settings=lambda wildcards: canonical_json(
            adaptation_ticket_settings(config, dict(wildcards.items()), wildcards.ticket)
        ),
    shell:
        "python -P -m supertickets {params.work} --tickets {input.tickets:q} --run {params.run:q}"
        " --shape {input.shape:q} --settings {params.settings:q} --ticket {output:q} > {log:q} 2>&1"


rule start_adaptation:
    input:
        config=rules.prepare_model.output.config,
        shared=rules.train_multi_task.output.trained,
        ticket=rules.draw_adaptation_ticket.output,
    output:
        kept(adaptation("start.safetensors")),
    log:
        adaptation("start.log"),
    benchmark:
        adaptation("start.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_copying_memory,
    params:
        **work("multi_task.adaptation_start:start_adaptation"),
    shell:
        "python -P -m supertickets {params.work} --shared {input.shared:q} --config {input.config:q}"
        " --ticket {input.ticket:q} --task {wildcards.task} --start {output:q} > {log:q} 2>&1"


use rule retrain as adapt with:
    input:
        **chosen(),
        config=rules.prepare_model.output.config,
        weights=rules.start_adaptation.output,
        shape=rules.prepare_model.output.shape,
        ticket=rules.draw_adaptation_ticket.output,
        encoded=rules.tokenise.output,
        subset=rules.subsample.output,
    output:
        **if_kept(trained=adaptation("model.safetensors")),
        record=adaptation("record.json"),
        predictions=adaptation("predictions.parquet"),
    log:
        adaptation("train.log"),
    benchmark:
        adaptation("benchmark.tsv")
    params:
        run=get_adaptation_run,


rule score_adaptation:
    input:
        get_adaptation_inputs,
        lambda wildcards: new_importance(config, wildcards.model),
    output:
        "results/adaptation/{shared}/{model}/scores.parquet",
    log:
        "results/logs/score_adaptation/{shared}/{model}.log",
    benchmark:
        "results/benchmarks/score_adaptation/{shared}/{model}.tsv"
    wildcard_constraints:
        shared=one_of([adaptation_name(config)]) or "none",
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        **work("multi_task.scores:score_adaptation", get_new_metric_modules),
        grid=lambda wildcards: canonical_json(adaptation_grid(config, wildcards.model)),
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --scores {output:q}"
        " > {log:q} 2>&1"


rule compare_adaptation:
    input:
        get_adaptation_inputs,
    output:
        "results/adaptation/{shared}/{model}/comparisons.csv",
    log:
        "results/logs/compare_adaptation/{shared}/{model}.log",
    benchmark:
        "results/benchmarks/compare_adaptation/{shared}/{model}.tsv"
    wildcard_constraints:
        shared=one_of([adaptation_name(config)]) or "none",
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        **work("multi_task.scores:compare_adaptation", get_new_metric_modules),
        grid=lambda wildcards: canonical_json(
            with_separators(adaptation_grid(config, wildcards.model), config, config["adaptation"]["tasks"])
        ),
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --table {output:q}"
        " > {log:q} 2>&1"
