# A task's super ticket, or best full model, as something to use. Its training is repeated: weights are not kept.
#
# Needs:  tickets, subsets, scores/ and selections/ of the winning tickets at the main size; for the card verdicts.csv
#         and latency/
# Makes, below results/exports/{model}/{task}/{which}/:
#         dense/        a folder of transformers with all sizes, zeros for what is pruned
#         cut/          the same without the pruned units, and the module that loads it
#         model.onnx, model.int8.onnx, int8.json  cut/ without torch, and in int8, with what that scores; need the
#                       packages of requirements-onnx.lock
#         verdict.json, README.md  what it is, what it scores, how fast it is, and the verdict on its task
#         run/          record, predictions and ticket of the training, and all logs

from supertickets.experiment.exports import has_pairs, labels_of, origins_of, require_trained
from supertickets.experiment.grid import separator_of
from supertickets.experiment.int8 import asks_int8
from supertickets.experiment.model_files import MODEL_FILES
from supertickets.experiment.repeated import repeated_inputs, selected_grid
from supertickets.experiment.settings import separators_of, with_separators
from supertickets.experiment.shown import shown_grid


localrules:
    describe_export,


def export(suffix):
    """Path pattern below the folder of an export."""
    return f"results/exports/{{model}}/{{task}}/{{which}}/{suffix}"


def get_exported_inputs(wildcards):
    """Files that the training is chosen by and made from."""
    user_errors(require_trained)(config, wildcards.model, wildcards.task, "an export")
    return repeated_inputs(config, wildcards.model, wildcards.task)


def get_int8_score(wildcards):
    """What the model scores in int8, where its latency in int8 is asked for."""
    pattern = export("int8.json")
    return {"int8": pattern.format(**wildcards)} if asks_int8(config) else {}


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
        **work("training.repeat:repeat_training", judged_by),
        grid=lambda wildcards: canonical_json(selected_grid(config, wildcards.model)),
        group=get_main_group,
        metric=get_first_metric,
        settings=get_settings,
        options=get_training_options,
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --metric {params.metric} --which {wildcards.which} --settings {params.settings:q} --encoded {input.encoded:q}"
        " --record {output.record:q} --predictions {output.predictions:q} --ticket {output.ticket:q} {params.options}"
        " > {log:q} 2>&1"


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
        "python -P -m supertickets {params.work} --config {input.config:q} --weights {input.weights:q}"
        " --ticket {input.ticket:q} --examples {input.examples:q} --encoded {input.encoded:q}"
        " --labels {params.labels:q} --max-length {params.max_length}"
        ' --folder "$(dirname "$(dirname {output.module:q})")" > {log:q} 2>&1'


rule describe_export:
    input:
        lambda wildcards: repeated_inputs(config, wildcards.model, wildcards.task),
        unpack(get_int8_score),
        latency=rules.measure_latency.output,
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
        grid=lambda wildcards: canonical_json(with_separators(shown_grid(config, "sizes"), config, [wildcards.task])),
        group=get_main_group,
        metrics=lambda wildcards: canonical_json(get_metrics(wildcards)),
        origins=lambda wildcards: canonical_json(origins_of(config, wildcards.model, wildcards.task)),
        pairs=lambda wildcards: int(has_pairs(config, wildcards.task)),
        max_length=config["max_length"],
        int8=lambda wildcards, input: options({"int8": input.get("int8")}),
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --metrics {params.metrics:q} --which {wildcards.which} --origins {params.origins:q} --pairs {params.pairs}"
        " --max-length {params.max_length} --record {input.record:q} --predictions {input.predictions:q}"
        " --ticket {input.ticket:q} --verdict {output.verdict:q} --card {output.card:q} {params.int8}"
        " > {log:q} 2>&1"


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
        'python -P -m supertickets {params.work} --folder "$(dirname {input.config:q})" --model {output:q}'
        " > {log:q} 2>&1"


rule quantise_onnx:
    input:
        model=rules.write_onnx.output,
        tokenizer=export("cut/tokenizer.json"),
        encoded=rules.tokenise.output,
        predictions=rules.repeat_training.output.predictions,
    output:
        quantised=export("model.int8.onnx"),
        score=export("int8.json"),
    log:
        export("run/int8.log"),
    benchmark:
        export("run/int8.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
    params:
        **work("exports.int8:quantise_onnx", get_first_metric_module),
        metric=get_first_metric,
        separator=lambda wildcards: separator_of(separators_of(config, [wildcards.task]), wildcards.task),
    shell:
        'python -P -m supertickets {params.work} --model {input.model:q} --folder "$(dirname {input.tokenizer:q})"'
        " --encoded {input.encoded:q} --predictions {input.predictions:q} --metric {params.metric}"
        " --separator={params.separator:q} --threads {threads} --quantised {output.quantised:q}"
        " --score {output.score:q} > {log:q} 2>&1"
