# Train one encoder on several tasks, each through its own ticket, and without tickets.
#
# Needs:  pretrained/, encoded/ and subsets/ of prepare.smk; runs, tickets and selections/ of the winning tickets at the
#         main size; for scores and comparisons what adaptation.smk makes of each task
# Makes, below results/multi_task/{model}/:
#         {mode}/seed{seed}/  tickets.json, record.json, predictions.parquet, and model.safetensors, which is always
#                             kept: new tasks that are added later go on from it, and nothing is trained again
#         scores.parquet      one row for each way of training, seed, task, split and metric
#         comparisons.csv     every way against training without tickets, with intervals and tests


localrules:
    share_tickets,


rule share_tickets:
    input:
        get_shared_inputs,
        shape=rules.fetch_model.output.shape,
    output:
        multi_task("tickets.json"),
    log:
        multi_task("tickets.log"),
    benchmark:
        multi_task("tickets.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    params:
        trials=lambda wildcards: canonical_json(joint_trials(wildcards)),
        ratios=lambda wildcards: canonical_json(joint_ratios(wildcards)),
        outputs=get_joint_outputs,
        code=code("share_tickets"),
    shell:
        "python -P -m scripts.share_tickets --results results --trials {params.trials:q} --mode {wildcards.mode}"
        " --ratios {params.ratios:q} --shape {input.shape:q} --outputs {params.outputs:q} --tickets {output:q} > {log:q} 2>&1"


rule multi_task:
    input:
        get_joint_files,
        config=rules.fetch_model.output.config,
        weights=rules.fetch_model.output.weights,
        shape=rules.fetch_model.output.shape,
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
        run=get_joint_run,
        tasks=get_joint_tasks,
        joint=get_joint_settings,
        options=get_training_options,
        code=code("multi_task"),
    shell:
        "python -P -m scripts.multi_task --config {input.config:q} --weights {input.weights:q} --shape {input.shape:q}"
        " --tickets {input.tickets:q} --tasks {params.tasks:q} --run {params.run:q} --joint {params.joint:q}"
        " --record {output.record:q} --predictions {output.predictions:q} {params.options} > {log:q} 2>&1"


rule score_multi_task:
    input:
        get_joint_ways,
    output:
        "results/multi_task/{model}/scores.parquet",
    log:
        "results/logs/score_multi_task/{model}.log",
    benchmark:
        "results/benchmarks/score_multi_task/{model}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        grid=get_joint_grid,
        code=code("score_multi_task"),
    shell:
        "python -P -m scripts.score_multi_task --results results --grid {params.grid:q} --scores {output:q} > {log:q} 2>&1"


rule compare_multi_task:
    input:
        get_joint_ways,
    output:
        "results/multi_task/{model}/comparisons.csv",
    log:
        "results/logs/compare_multi_task/{model}.log",
    benchmark:
        "results/benchmarks/compare_multi_task/{model}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        grid=get_joint_grid,
        code=code("compare_multi_task"),
    shell:
        "python -P -m scripts.compare_multi_task --results results --grid {params.grid:q} --table {output:q} > {log:q} 2>&1"
