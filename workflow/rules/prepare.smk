# From what was fetched to encoded sentences.
#
# Needs:  downloads of fetch.smk, or the user's own files
# Makes:  results/pretrained/{model}/             config, tokenizer, float32 weights, dimensions
#         results/tasks/{task}.parquet            examples in their parts
#         results/encoded/{model}/{task}.parquet  the same as token ids
#         results/finetuned/{model}/{task}.safetensors  weights of a full model of the user's own
#         results/subsets/{task}/n{train_size}/seed{seed}.json  rows to train on

from supertickets.experiment.downloads import origin_of, prepared_from
from supertickets.experiment.exports import labels_of
from supertickets.experiment.model_files import TOKENIZER_FILES, model_files
from supertickets.experiment.paths import ENCODED, FINETUNED, SHAPE, SUBSET
from supertickets.experiment.settings import subset_settings
from supertickets.experiment.task_files import inputs, resolved


def get_model_source(wildcards):
    """The package that holds a model, its download from the hub, or the files of the user's own folder."""
    entry = DEFINED["models"][wildcards.model]
    if "hub" in entry:
        return {"source": rules.fetch_hub_model.output[0].format(model=origin_of(config, wildcards.model))}
    if "package" in entry:
        return {"source": f"results/packages/{entry['package']}"}
    source, *files = model_files(entry["path"])
    return {"source": source, "files": files}


def get_finetuned(wildcards):
    """The weights of a full model that the user gives, where the model has one."""
    given = "finetuned" in DEFINED["models"][wildcards.model]
    return {"finetuned": f"results/{FINETUNED}".format(**wildcards)} if given else {}


rule prepare_model:
    input:
        unpack(get_model_source),
    output:
        config="results/pretrained/{model}/config.json",
        weights="results/pretrained/{model}/model.safetensors",
        shape=f"results/{SHAPE}",
        tokenizer=expand("results/pretrained/{{model}}/{name}", name=TOKENIZER_FILES),
    log:
        "results/logs/prepare_model/{model}.log",
    benchmark:
        "results/benchmarks/prepare_model/{model}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_copying_memory,
    params:
        **work("encoder.pretrained:prepare_model"),
        settings=lambda wildcards: canonical_json(prepared_from(config, wildcards.model)),
    shell:
        "python -P -m supertickets {params.work} --source {input.source:q} --definition {params.settings:q}"
        ' --pretrained "$(dirname {output.config:q})" > {log:q} 2>&1'


rule prepare_task:
    input:
        lambda wildcards: inputs(TASKS[wildcards.task], config["glue"]),
    output:
        "results/tasks/{task}.parquet",
    log:
        "results/logs/prepare_task/{task}.log",
    benchmark:
        "results/benchmarks/prepare_task/{task}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_table_memory,
        runtime=get_table_minutes,
    params:
        **work("data.task:prepare_task"),
        settings=lambda wildcards: canonical_json(resolved(DEFINED["tasks"][wildcards.task], config["glue"])),
    shell:
        "python -P -m supertickets {params.work} --definition {params.settings:q} --examples {output:q} > {log:q} 2>&1"


rule tokenise:
    input:
        tokenizer=rules.prepare_model.output.tokenizer,
        config=rules.prepare_model.output.config,
        examples=rules.prepare_task.output,
    output:
        f"results/{ENCODED}",
    log:
        "results/logs/tokenise/{model}/{task}.log",
    benchmark:
        "results/benchmarks/tokenise/{model}/{task}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_table_memory,
        runtime=get_table_minutes,
    params:
        **work("encoder.tokenise:tokenise"),
        max_length=config["max_length"],
        unlabelled=0,
    shell:
        'python -P -m supertickets {params.work} --tokenizer "$(dirname {input.config:q})"'
        " --examples {input.examples:q} --max-length {params.max_length} --unlabelled {params.unlabelled}"
        " --encoded {output:q} > {log:q} 2>&1"


rule take_finetuned:
    input:
        lambda wildcards: model_files(DEFINED["models"][wildcards.model]["finetuned"]),
        config=rules.prepare_model.output.config,
        examples=rules.prepare_task.output,
        encoded=rules.tokenise.output,
    output:
        f"results/{FINETUNED}",
    log:
        "results/logs/take_finetuned/{model}/{task}.log",
    benchmark:
        "results/benchmarks/take_finetuned/{model}/{task}.tsv"
    wildcard_constraints:
        model=one_of(name for name, entry in DEFINED["models"].items() if "finetuned" in entry) or "none",
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_training_memory,  # as many copies of the weights
    params:
        **work("exports.finetuned:take_finetuned"),
        folder=lambda wildcards: DEFINED["models"][wildcards.model]["finetuned"],
        labels=lambda wildcards: canonical_json(labels_of(config, wildcards.task)),
        max_length=config["max_length"],
    shell:
        "python -P -m supertickets {params.work} --folder {params.folder:q} --config {input.config:q}"
        " --examples {input.examples:q} --encoded {input.encoded:q} --labels {params.labels:q}"
        " --max-length {params.max_length} --weights {output:q} > {log:q} 2>&1"


rule subsample:
    input:
        rules.prepare_task.output,
    output:
        f"results/{SUBSET}",
    log:
        "results/logs/subsample/{task}/n{train_size}/seed{seed}.log",
    benchmark:
        "results/benchmarks/subsample/{task}/n{train_size}/seed{seed}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_table_memory,
        runtime=get_table_minutes,
    params:
        **work("data.subset:subsample"),
        settings=lambda wildcards: options(subset_settings(config, wildcards.task)),
    shell:
        "python -P -m supertickets {params.work} --examples {input:q} --size {wildcards.train_size}"
        " --seed {wildcards.seed} {params.settings} --subset {output:q} > {log:q} 2>&1"
