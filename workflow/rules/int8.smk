# Full models and super tickets in int8, of every seed. Only where `int8` is among `latency.backends`.
#
# Needs:  runs and tickets of the winning tickets at the main size; the packages of requirements-onnx.lock
# Makes:  results/int8/{model}/{task}/seed{seed}/{which}/predictions.parquet
#                                            what they predict; super: for each seed the ticket that the other seeds
#                                            chose
#         results/int8/{model}/{task}.csv    both against the full models in their own precision
#
# A training is repeated, as weights are not kept, and written as the ONNX file of an export.

from supertickets.experiment.exports import labels_of, require_trained
from supertickets.experiment.grid import group_runs
from supertickets.experiment.int8 import INT8, WHICH, int8_inputs
from supertickets.experiment.paths import run_files
from supertickets.experiment.repeated import main_group


def get_int8_inputs(wildcards):
    """Files that a model is chosen by and trained from."""
    user_errors(require_trained)(config, wildcards.model, wildcards.task, "int8")
    return int8_inputs(config, wildcards.model, wildcards.task, wildcards.which, int(wildcards.seed))


def get_compared_in_int8(wildcards):
    """The runs of the winning tickets at the main size, and predictions in int8 of all seeds."""
    user_errors(require_trained)(config, wildcards.model, wildcards.task, "int8")
    group = main_group(config, wildcards.model, wildcards.task)
    rounded = expand(rules.predict_int8.output, seed=config["seeds"], which=WHICH, **wildcards)
    return [*run_files(group_runs(GRID, group)), *rounded]


rule predict_int8:
    input:
        get_int8_inputs,
        unpack(get_finetuned),
        **chosen(),
        examples=rules.prepare_task.output,
        encoded=rules.tokenise.output,
        config=rules.prepare_model.output.config,
        weights=rules.prepare_model.output.weights,
        shape=rules.prepare_model.output.shape,
        tokenizer=rules.prepare_model.output.tokenizer,
    output:
        f"results/{INT8}/seed{{seed}}/{{which}}/predictions.parquet",
    log:
        f"results/{INT8}/seed{{seed}}/{{which}}/train.log",
    benchmark:
        f"results/{INT8}/seed{{seed}}/{{which}}/benchmark.tsv"
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
        gpu=GPUS,
    params:
        **work(
            "exports.predict_int8:predict_int8",
            lambda wildcards: [*judged_by(wildcards), *get_first_metric_module(wildcards)],
        ),
        grid=get_selecting_grid,
        group=get_main_group,
        metric=get_first_metric,
        settings=get_settings,
        labels=lambda wildcards: canonical_json(labels_of(config, wildcards.task)),
        max_length=config["max_length"],
        options=get_training_options,
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --metric {params.metric} --which {wildcards.which} --seed {wildcards.seed} --settings {params.settings:q}"
        " --labels {params.labels:q} --max-length {params.max_length} --examples {input.examples:q}"
        " --encoded {input.encoded:q} --threads {threads} --predictions {output:q} {params.options} > {log:q} 2>&1"


rule compare_int8:
    input:
        get_compared_in_int8,
    output:
        f"results/{INT8}.csv",
    log:
        "results/logs/compare_int8/{model}/{task}.log",
    benchmark:
        "results/benchmarks/compare_int8/{model}/{task}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        **work("evaluation.int8:compare_int8", get_first_metric_module),
        grid=get_selecting_grid,
        group=get_main_group,
        metric=get_first_metric,
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --metric {params.metric} --table {output:q} > {log:q} 2>&1"
