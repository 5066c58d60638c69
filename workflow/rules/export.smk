# A task's super ticket, or best full model, as something to use. Its training is repeated: weights are not kept.
#
# Needs:  tickets, subsets, scores/ and selections/ of the winning tickets at the main size; verdicts.csv for the card
# Makes, below results/exports/{model}/{task}/{which}/:
#         dense/        a folder of transformers with all sizes, zeros for what is pruned
#         cut/          the same with what is left, and the module that loads it
#         model.onnx, model.int8.onnx  cut/ without torch, and in eight bits; need the packages of requirements-onnx.lock
#         verdict.json, README.md  what it is, what it scores, and the verdict on its task
#         run/          record, predictions and ticket of the training, and all logs

from supertickets.experiment.exports import has_pairs, origins_of, require_exported
from supertickets.experiment.paths import MODEL_FILES
from supertickets.experiment.repeated import main_group, repeated_inputs


localrules:
    describe_export,


def export(suffix):
    """Path pattern below the folder of an export."""
    return f"results/exports/{{model}}/{{task}}/{{which}}/{suffix}"


def get_exported_inputs(wildcards):
    """What the training was chosen by and made from."""
    user_errors(require_exported)(config, wildcards.model, wildcards.task)
    return repeated_inputs(config, wildcards.model, wildcards.task)


rule repeat_training:
    input:
        get_exported_inputs,
        unpack(get_finetuned),
        **chosen(),
        encoded=rules.tokenise.output,
        config=rules.prepare_model.output.config,
        weights=rules.prepare_model.output.weights,
        shape=rules.prepare_model.output.shape,
    output:
        record=export("run/record.json"),
        predictions=export("run/predictions.parquet"),
        ticket=export("run/ticket.json"),
        trained=temp(export("run/model.safetensors")),
    log:
        export("run/train.log"),
    benchmark:
        export("run/benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
        gpu=GPUS,
    params:
        **work("training.repeat:repeat_training"),
        grid=canonical_json({"seeds": config["seeds"], "ratios": config["ratios"], "draws": {"winning": 1}}),
        group=lambda wildcards: canonical_json(main_group(config, wildcards.model, wildcards.task)),
        metric=get_first_metric,
        settings=get_settings,
        options=get_training_options,
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --metric {params.metric} --which {wildcards.which} --settings {params.settings:q} --encoded {input.encoded:q}"
        " --record {output.record:q} --predictions {output.predictions:q} --ticket {output.ticket:q} {params.options} > {log:q} 2>&1"


rule export_model:
    input:
        weights=rules.repeat_training.output.trained,
        ticket=rules.repeat_training.output.ticket,
        config=rules.prepare_model.output.config,
        tokenizer=rules.prepare_model.output.tokenizer,
        examples=rules.prepare_task.output,
        encoded=rules.tokenise.output,
    output:
        expand(export("{form}/{name}"), form=["dense", "cut"], name=MODEL_FILES, allow_missing=True),
        module=export("cut/modeling_super_ticket.py"),
    log:
        export("run/export.log"),
    benchmark:
        export("run/export.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_training_memory,  # as many copies of the weights
    params:
        **work("exports.folder:export_model"),
        labels=lambda wildcards: canonical_json(labels_of(config, wildcards.task)),
        max_length=config["max_length"],
    shell:
        "python -P -m supertickets {params.work} --config {input.config:q} --weights {input.weights:q} --ticket {input.ticket:q}"
        " --examples {input.examples:q} --encoded {input.encoded:q} --labels {params.labels:q} --max-length {params.max_length}"
        ' --folder "$(dirname "$(dirname {output.module:q})")" > {log:q} 2>&1'


rule describe_export:
    input:
        lambda wildcards: repeated_inputs(config, wildcards.model, wildcards.task),
        verdicts=rules.judge.output,
        record=rules.repeat_training.output.record,
        predictions=rules.repeat_training.output.predictions,
        ticket=rules.repeat_training.output.ticket,
    output:
        verdict=export("verdict.json"),
        card=export("README.md"),
    log:
        export("run/describe.log"),
    benchmark:
        export("run/describe.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    params:
        **work("exports.describe:describe_export", lambda wildcards: metric_modules(get_metrics(wildcards))),
        grid=lambda wildcards: canonical_json(
            {**shown_grid(config, "sizes"), **separators_of(config, [wildcards.task])}
        ),
        group=lambda wildcards: canonical_json(main_group(config, wildcards.model, wildcards.task)),
        metrics=lambda wildcards: canonical_json(get_metrics(wildcards)),
        origins=lambda wildcards: canonical_json(origins_of(config, wildcards.model, wildcards.task)),
        pairs=lambda wildcards: int(has_pairs(config, wildcards.task)),
        max_length=config["max_length"],
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --metrics {params.metrics:q} --which {wildcards.which} --origins {params.origins:q} --pairs {params.pairs}"
        " --max-length {params.max_length} --record {input.record:q} --predictions {input.predictions:q}"
        " --ticket {input.ticket:q} --verdict {output.verdict:q} --card {output.card:q} > {log:q} 2>&1"


rule write_onnx:
    input:
        rules.export_model.output,
        config=export("cut/config.json"),
    output:
        export("model.onnx"),
    log:
        export("run/onnx.log"),
    benchmark:
        export("run/onnx.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_training_memory,
    params:
        **work("exports.to_onnx:write_onnx"),
    shell:
        'python -P -m supertickets {params.work} --folder "$(dirname {input.config:q})" --model {output:q} > {log:q} 2>&1'


rule quantise_onnx:
    input:
        rules.write_onnx.output,
    output:
        export("model.int8.onnx"),
    log:
        export("run/int8.log"),
    benchmark:
        export("run/int8.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_copying_memory,
    params:
        **work("exports.to_onnx:quantise_onnx"),
    shell:
        "python -P -m supertickets {params.work} --model {input:q} --quantised {output:q} > {log:q} 2>&1"
