# From what was fetched to encoded sentences.
#
# Needs:  downloads of fetch.smk, or the user's own files
# Makes:  results/pretrained/{model}/             config, tokenizer, float32 weights, dimensions
#         results/tasks/{task}.parquet            examples in their parts
#         results/encoded/{model}/{task}.parquet  the same as token ids
#         results/subsets/{task}/n{train_size}/seed{seed}.json  rows to train on


rule fetch_model:
    input:
        unpack(get_model_source),
    output:
        config="results/pretrained/{model}/config.json",
        weights="results/pretrained/{model}/model.safetensors",
        shape="results/pretrained/{model}/shape.json",
        tokenizer=expand("results/pretrained/{{model}}/{name}", name=TOKENIZER_FILES),
    log:
        "results/logs/fetch_model/{model}.log",
    benchmark:
        "results/benchmarks/fetch_model/{model}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_copying_memory,
    params:
        settings=lambda wildcards: canonical_json(DEFINED["models"][wildcards.model]),
        code=code("fetch_model"),
    shell:
        "python -P -m scripts.fetch_model --source {input.source:q} --definition {params.settings:q}"
        ' --pretrained "$(dirname {output.config:q})" > {log:q} 2>&1'


rule fetch_task:
    input:
        get_task_inputs,
    output:
        "results/tasks/{task}.parquet",
    log:
        "results/logs/fetch_task/{task}.log",
    benchmark:
        "results/benchmarks/fetch_task/{task}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_table_memory,
        runtime=get_table_minutes,
    params:
        settings=get_task_definition,
        code=code("fetch_task"),
    shell:
        "python -P -m scripts.fetch_task --definition {params.settings:q} --examples {output:q} > {log:q} 2>&1"


rule encode:
    input:
        tokenizer=rules.fetch_model.output.tokenizer,
        config=rules.fetch_model.output.config,
        examples=rules.fetch_task.output,
    output:
        "results/encoded/{model}/{task}.parquet",
    log:
        "results/logs/encode/{model}/{task}.log",
    benchmark:
        "results/benchmarks/encode/{model}/{task}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_table_memory,
        runtime=get_table_minutes,
    params:
        max_length=config["max_length"],
        unlabelled=0,
        code=code("encode"),
    shell:
        'python -P -m scripts.encode --tokenizer "$(dirname {input.config:q})" --examples {input.examples:q}'
        " --max-length {params.max_length} --unlabelled {params.unlabelled} --encoded {output:q} > {log:q} 2>&1"


rule subsample:
    input:
        rules.fetch_task.output,
    output:
        "results/subsets/{task}/n{train_size}/seed{seed}.json",
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
        stratify=get_stratify,
        code=code("subsample"),
    shell:
        "python -P -m scripts.subsample --examples {input:q} --size {wildcards.train_size} --seed {wildcards.seed}"
        " --stratify {params.stratify} --subset {output:q} > {log:q} 2>&1"
