# Find the tickets of one task and train them.
#
# Needs:  pretrained/, encoded/ and subsets/ of prepare.smk
# Makes, below results/runs/{model}/{task}/n{train_size}/seed{seed}/:
#         full/ and {kind}-{ratio}/  record.json, predictions.parquet and, if kept, model.safetensors
#         importance/{weights}.csv   scores of all heads and feed-forward blocks, of fine_tuned or pretrained weights
#         tickets/{kind}-{ratio}.json  the units that a ticket keeps
#         steps/{kind}-{ratio}/{step}/  ticket, retraining and scores of each step of an iterative kind


rule finetune:
    input:
        **chosen(),
        config=rules.fetch_model.output.config,
        weights=rules.fetch_model.output.weights,
        shape=rules.fetch_model.output.shape,
        encoded=rules.encode.output,
        subset=rules.subsample.output,
    output:
        record=trial("full/record.json"),
        predictions=trial("full/predictions.parquet"),
        trained=kept(trial("full/model.safetensors")),
    log:
        trial("full/train.log"),
    benchmark:
        trial("full/benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
        gpu=GPUS,
    params:
        run=get_run,
        settings=get_settings,
        options=get_training_options,
        code=code("finetune"),
    shell:
        "python -P -m scripts.finetune --config {input.config:q} --weights {input.weights:q} --shape {input.shape:q}"
        " --encoded {input.encoded:q} --subset {input.subset:q} --run {params.run:q} --settings {params.settings:q}"
        " --record {output.record:q} --predictions {output.predictions:q} {params.options} > {log:q} 2>&1"


rule importance:
    input:
        **chosen(),
        config=rules.fetch_model.output.config,
        weights=get_scored_weights,
        encoded=rules.encode.output,
        subset=rules.subsample.output,
    output:
        trial("importance/{weights}.csv"),
    log:
        trial("importance/{weights}.log"),
    benchmark:
        trial("importance/{weights}.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
        gpu=GPUS,
    params:
        settings=get_settings,
        files=get_optional_files,
        code=code("importance"),
    shell:
        "python -P -m scripts.importance --config {input.config:q} --weights {input.weights:q}"
        " --encoded {input.encoded:q} --subset {input.subset:q} --seed {wildcards.seed}"
        " --settings {params.settings:q} --importance {output:q} {params.files} > {log:q} 2>&1"


rule ticket:
    input:
        unpack(get_scores_to_prune_by),
        shape=rules.fetch_model.output.shape,
    output:
        trial("tickets/{kind}-{ratio}.json"),
    log:
        trial("tickets/{kind}-{ratio}.log"),
    benchmark:
        trial("tickets/{kind}-{ratio}.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    params:
        run=get_ticket_run,
        settings=get_ticket_settings,
        files=get_optional_files,
        code=code("ticket"),
    shell:
        "python -P -m scripts.ticket --importance {input.importance:q} --shape {input.shape:q}"
        " --run {params.run:q} --settings {params.settings:q} --ticket {output:q} {params.files} > {log:q} 2>&1"


rule rewind:
    input:
        config=rules.fetch_model.output.config,
        weights=rules.fetch_model.output.weights,
        ticket=rules.ticket.output,
    output:
        kept(trial("{kind}-{ratio}/rewound.safetensors")),
    log:
        trial("{kind}-{ratio}/rewind.log"),
    benchmark:
        trial("{kind}-{ratio}/rewind.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_copying_memory,
    params:
        code=code("rewind"),
    shell:
        "python -P -m scripts.rewind --pretrained {input.weights:q} --config {input.config:q} --ticket {input.ticket:q}"
        " --rewound {output:q} > {log:q} 2>&1"


rule retrain:
    input:
        **chosen(),
        config=rules.fetch_model.output.config,
        weights=rules.rewind.output,
        shape=rules.fetch_model.output.shape,
        ticket=rules.ticket.output,
        encoded=rules.encode.output,
        subset=rules.subsample.output,
    output:
        **if_kept(trained=trial("{kind}-{ratio}/model.safetensors")),
        record=trial("{kind}-{ratio}/record.json"),
        predictions=trial("{kind}-{ratio}/predictions.parquet"),
    log:
        trial("{kind}-{ratio}/train.log"),
    benchmark:
        trial("{kind}-{ratio}/benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
        gpu=GPUS,
    params:
        run=get_ticket_run,
        settings=get_settings,
        options=get_training_options,
        code=code("retrain"),
    shell:
        "python -P -m scripts.retrain --config {input.config:q} --weights {input.weights:q} --shape {input.shape:q}"
        " --encoded {input.encoded:q} --subset {input.subset:q}"
        " --run {params.run:q} --settings {params.settings:q}"
        " --record {output.record:q} --predictions {output.predictions:q} {params.options} > {log:q} 2>&1"


# An iterative kind prunes in steps. Each but the last is a ticket of its own, which is retrained and scored.


use rule ticket as ticket_step with:
    output:
        step("ticket.json"),
    log:
        step("ticket.log"),
    benchmark:
        step("ticket.benchmark.tsv")


use rule rewind as rewind_step with:
    input:
        config=rules.fetch_model.output.config,
        weights=rules.fetch_model.output.weights,
        ticket=rules.ticket_step.output,
    output:
        temp(step("rewound.safetensors")),
    log:
        step("rewind.log"),
    benchmark:
        step("rewind.benchmark.tsv")


use rule retrain as retrain_step with:
    input:
        **chosen(),
        config=rules.fetch_model.output.config,
        weights=rules.rewind_step.output,
        shape=rules.fetch_model.output.shape,
        ticket=rules.ticket_step.output,
        encoded=rules.encode.output,
        subset=rules.subsample.output,
    output:
        trained=temp(step("model.safetensors")),
        record=step("record.json"),
        predictions=step("predictions.parquet"),
    log:
        step("train.log"),
    benchmark:
        step("train.benchmark.tsv")


use rule importance as importance_step with:
    input:
        **chosen(),
        config=rules.fetch_model.output.config,
        weights=rules.retrain_step.output.trained,
        ticket=rules.ticket_step.output,
        encoded=rules.encode.output,
        subset=rules.subsample.output,
    output:
        step("importance.csv"),
    log:
        step("importance.log"),
    benchmark:
        step("importance.benchmark.tsv")
