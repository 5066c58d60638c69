# From the runs' predictions to scores, comparisons and verdicts. Nothing here trains.
#
# Needs:  record.json and predictions.parquet of runs
# Makes:  results/scores/{model}/{task}/n{train_size}/{kind}.parquet  one row for each run, split and metric
#         results/comparisons/....csv      tickets against full models, with intervals and tests
#         results/selections/....csv       the super ticket and what it gains, three ways
#         results/decompositions/....csv   bias and variance of the loss
#         results/verdicts.csv             selections with verdicts, for every model, task and size
#         results/scores.parquet, .csv, comparisons.csv  the tables of all groups as one


localrules:
    judge,
    aggregate,


rule score:
    input:
        get_group_runs,
    output:
        f"results/scores/{GROUP_FILE}.parquet",
    log:
        f"results/logs/score/{GROUP_FILE}.log",
    benchmark:
        f"results/benchmarks/score/{GROUP_FILE}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        grid=get_group_grid,
        group=get_group,
        metrics=get_metrics,
        code=code("score"),
    shell:
        "python -P -m scripts.score --results results --grid {params.grid:q} --group {params.group:q}"
        " --metrics {params.metrics:q} --scores {output:q} > {log:q} 2>&1"


rule compare:
    input:
        get_compared_runs,
    output:
        f"results/comparisons/{GROUP_FILE}.csv",
    log:
        f"results/logs/compare/{GROUP_FILE}.log",
    benchmark:
        f"results/benchmarks/compare/{GROUP_FILE}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        grid=get_group_grid,
        group=get_group,
        metric=get_first_metric,
        code=code("compare"),
    shell:
        "python -P -m scripts.compare --results results --grid {params.grid:q} --group {params.group:q}"
        " --metric {params.metric:q} --table {output:q} > {log:q} 2>&1"


rule select_ticket:
    input:
        get_compared_runs,
    output:
        f"results/selections/{GROUP_FILE}.csv",
    log:
        f"results/logs/select_ticket/{GROUP_FILE}.log",
    benchmark:
        f"results/benchmarks/select_ticket/{GROUP_FILE}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        grid=get_group_grid,
        group=get_group,
        metric=get_first_metric,
        code=code("select_ticket"),
    shell:
        "python -P -m scripts.select_ticket --results results --grid {params.grid:q} --group {params.group:q}"
        " --metric {params.metric:q} --table {output:q} > {log:q} 2>&1"


rule decompose:
    input:
        get_compared_runs,
    output:
        f"results/decompositions/{GROUP_FILE}.csv",
    log:
        f"results/logs/decompose/{GROUP_FILE}.log",
    benchmark:
        f"results/benchmarks/decompose/{GROUP_FILE}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        grid=get_group_grid,
        group=get_group,
        code=code("decompose"),
    shell:
        "python -P -m scripts.decompose --results results --grid {params.grid:q} --group {params.group:q}"
        " --table {output:q} > {log:q} 2>&1"


rule judge:
    input:
        lambda wildcards: get_group_files("sizes", "comparisons") + get_group_files("sizes", "selections"),
    output:
        "results/verdicts.csv",
    log:
        "results/logs/judge.log",
    benchmark:
        "results/benchmarks/judge.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        grid=get_scope("sizes"),
        code=code("judge"),
    shell:
        "python -P -m scripts.judge --results results --grid {params.grid:q} --verdicts {output:q} > {log:q} 2>&1"


rule aggregate:
    input:
        lambda wildcards: get_group_files("all", "scores") + get_group_files("all", "comparisons"),
    output:
        parquet="results/scores.parquet",
        csv="results/scores.csv",
        comparisons="results/comparisons.csv",
    log:
        "results/logs/aggregate.log",
    benchmark:
        "results/benchmarks/aggregate.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        grid=get_scope("all"),
        code=code("aggregate"),
    shell:
        "python -P -m scripts.aggregate --results results --grid {params.grid:q} --parquet {output.parquet:q}"
        " --csv {output.csv:q} --comparisons {output.comparisons:q} > {log:q} 2>&1"
