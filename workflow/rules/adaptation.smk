# Go on from an encoder of several tasks: on a new task, or on one of them alone.
#
# Needs:  model.safetensors and tickets of multi_task.smk; encoded/ and subsets/ of prepare.smk; full models of the new tasks
# Makes:  results/adaptation/{model}/{task}/n{train_size}/seed{seed}/{mode}-{held}/
#                             ticket.json, record.json, predictions.parquet and, if kept, start.safetensors, model.safetensors
#         results/adaptation/{model}/scores.parquet   one row for each way, seed, task, size, split and metric
#         results/adaptation/{model}/comparisons.csv  every way against the others, with intervals and tests


localrules:
    adaptation_ticket,


rule adaptation_ticket:
    input:
        get_importance_by_task,
        tickets=rules.share_tickets.output,
        shape=rules.fetch_model.output.shape,
    output:
        adaptation("ticket.json"),
    log:
        adaptation("ticket.log"),
    benchmark:
        adaptation("ticket.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    params:
        run=get_adaptation_run,
        settings=get_held_settings,
        code=code("adaptation_ticket"),
    shell:
        "python -P -m scripts.adaptation_ticket --tickets {input.tickets:q} --run {params.run:q} --shape {input.shape:q}"
        " --settings {params.settings:q} --ticket {output:q} > {log:q} 2>&1"


rule start_from_shared:
    input:
        config=rules.fetch_model.output.config,
        shared=rules.multi_task.output.trained,
        ticket=rules.adaptation_ticket.output,
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
        code=code("start_from_shared"),
    shell:
        "python -P -m scripts.start_from_shared --shared {input.shared:q} --config {input.config:q} --ticket {input.ticket:q}"
        " --task {wildcards.task} --start {output:q} > {log:q} 2>&1"


use rule retrain as adapt with:
    input:
        **chosen(),
        config=rules.fetch_model.output.config,
        weights=rules.start_from_shared.output,
        shape=rules.fetch_model.output.shape,
        ticket=rules.adaptation_ticket.output,
        encoded=rules.encode.output,
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
        get_adaptation_runs,
        get_new_importance,
    output:
        "results/adaptation/{model}/scores.parquet",
    log:
        "results/logs/score_adaptation/{model}.log",
    benchmark:
        "results/benchmarks/score_adaptation/{model}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        grid=get_adaptation_grid,
        code=code("score_adaptation"),
    shell:
        "python -P -m scripts.score_adaptation --results results --grid {params.grid:q} --scores {output:q} > {log:q} 2>&1"


rule compare_adaptation:
    input:
        get_adaptation_runs,
    output:
        "results/adaptation/{model}/comparisons.csv",
    log:
        "results/logs/compare_adaptation/{model}.log",
    benchmark:
        "results/benchmarks/compare_adaptation/{model}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        grid=get_adaptation_grid,
        code=code("compare_adaptation"),
    shell:
        "python -P -m scripts.compare_adaptation --results results --grid {params.grid:q} --table {output:q} > {log:q} 2>&1"
