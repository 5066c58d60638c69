# From the runs' predictions to scores, comparisons and verdicts. Nothing here trains.
#
# Needs:  record.json and predictions.parquet of runs
# Makes:  results/scores/{model}/{task}/n{train_size}/{kind}.parquet  one row for each run, split and metric
#         results/comparisons/....csv      tickets against full models, with intervals and tests
#         results/contrasts/....csv        winning tickets against those of another kind
#         results/selections/....csv       the super ticket and what it gains, four ways
#         results/decompositions/....csv   bias and variance of the loss
#         results/rivals/{model}/{task}.csv  full models of rivals against the full model and the super ticket
#         results/verdicts.csv             selections with verdicts, for every model, task and size
#         results/scores.parquet, .csv, comparisons.csv  the tables of all groups as one

from supertickets.experiment.grid import group_runs
from supertickets.experiment.paths import GROUP_FILE, RIVALS, run_files
from supertickets.experiment.repeated import main_group, repeated_grid, selected_grid
from supertickets.experiment.rivals import require_rivals, rival_runs, rivals_of
from supertickets.experiment.settings import margins_of, with_separators
from supertickets.experiment.shown import shown_grid


localrules:
    judge,
    aggregate,


def group_of(wildcards):
    """A group of runs, from the wildcards of its path."""
    size = size_from(wildcards.train_size)
    return {"model": wildcards.model, "task": wildcards.task, "train_size": size, "kind": wildcards.kind}


def get_group(wildcards):
    """The identity of a group of runs, as JSON."""
    return canonical_json(group_of(wildcards))


def get_main_group(wildcards):
    """The identity of a task's winning tickets at the main size, as JSON."""
    return canonical_json(main_group(config, wildcards.model, wildcards.task))


def group_grid(wildcards):
    """Axes of the grid of a group."""
    draws = {kind: GRID["draws"][kind] for kind in ("winning", wildcards.kind)}
    return {**repeated_grid(config, wildcards.model), "draws": draws}


def get_group_grid(wildcards):
    """Axes of the grid of a group, as JSON: thousands of paths do not fit on a command line."""
    return canonical_json(group_grid(wildcards))


def get_resampled_grid(wildcards):
    """Axes of the grid of a group, with what separates the task's documents: these are resampled whole."""
    return canonical_json(with_separators(group_grid(wildcards), config, [wildcards.task]))


def get_selecting_grid(wildcards):
    """Axes of the grid of a model's winning tickets, how super tickets are chosen, and separators, as JSON."""
    return canonical_json(with_separators(selected_grid(config, wildcards.model), config, [wildcards.task]))


def get_group_runs(wildcards):
    """Records and predictions of the runs of a group."""
    return run_files(group_runs(GRID, group_of(wildcards)))


def get_compared_runs(wildcards):
    """Records and predictions of a group and of the full models, which its tickets are compared with."""
    full = (run for run in group_runs(GRID, group_of(wildcards) | {"kind": "winning"}) if run["kind"] == "full")
    return list(dict.fromkeys([*run_files(full), *get_group_runs(wildcards)]))


def get_contrasted_runs(wildcards):
    """The runs of a kind, and the winning tickets, which are compared with them."""
    winning = (run for run in group_runs(GRID, group_of(wildcards) | {"kind": "winning"}) if run["kind"] == "winning")
    return [*run_files(winning), *get_group_runs(wildcards)]


def get_metrics(wildcards):
    """A task's metrics; the first chooses super tickets."""
    return metrics_of(config, wildcards.task)


def get_first_metric_module(wildcards):
    """Module of the task's first metric."""
    return metric_modules(get_metrics(wildcards)[:1])


def get_rivals_runs(wildcards):
    """The runs of the winning tickets at the main size, and the full models of the rivals."""
    user_errors(require_rivals)(config, wildcards.model)
    group = main_group(config, wildcards.model, wildcards.task)
    return [*run_files(group_runs(GRID, group)), *rival_runs(config, GRID, wildcards.model, wildcards.task)]


rule score_group:
    input:
        get_group_runs,
    output:
        f"results/scores/{GROUP_FILE}.parquet",
    log:
        f"results/logs/score_group/{GROUP_FILE}.log",
    benchmark:
        f"results/benchmarks/score_group/{GROUP_FILE}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        **work("evaluation.score:score_group", lambda wildcards: metric_modules(get_metrics(wildcards))),
        grid=get_group_grid,
        group=get_group,
        metrics=lambda wildcards: ",".join(get_metrics(wildcards)),
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --metrics {params.metrics:q} --scores {output:q} > {log:q} 2>&1"


rule compare_group:
    input:
        get_compared_runs,
    output:
        f"results/comparisons/{GROUP_FILE}.csv",
    log:
        f"results/logs/compare_group/{GROUP_FILE}.log",
    benchmark:
        f"results/benchmarks/compare_group/{GROUP_FILE}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        **work("evaluation.compare:compare_group", get_first_metric_module),
        grid=get_resampled_grid,
        group=get_group,
        metric=get_first_metric,
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --metric {params.metric:q} --table {output:q} > {log:q} 2>&1"


rule contrast_group:
    input:
        get_contrasted_runs,
    output:
        f"results/contrasts/{GROUP_FILE}.csv",
    log:
        f"results/logs/contrast_group/{GROUP_FILE}.log",
    benchmark:
        f"results/benchmarks/contrast_group/{GROUP_FILE}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        **work("evaluation.contrast:contrast_group", get_first_metric_module),
        grid=get_resampled_grid,
        group=get_group,
        metric=get_first_metric,
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
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
        **work("evaluation.select_ticket:select_ticket", get_first_metric_module),
        grid=get_selecting_grid,
        group=get_group,
        metric=get_first_metric,
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --metric {params.metric:q} --table {output:q} > {log:q} 2>&1"


rule decompose_group:
    input:
        get_compared_runs,
    output:
        f"results/decompositions/{GROUP_FILE}.csv",
    log:
        f"results/logs/decompose_group/{GROUP_FILE}.log",
    benchmark:
        f"results/benchmarks/decompose_group/{GROUP_FILE}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        **work("evaluation.decompose:decompose_group"),
        grid=get_resampled_grid,
        group=get_group,
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --table {output:q} > {log:q} 2>&1"


rule compare_rivals:
    input:
        get_rivals_runs,
    output:
        f"results/{RIVALS}.csv",
    log:
        "results/logs/compare_rivals/{model}/{task}.log",
    benchmark:
        "results/benchmarks/compare_rivals/{model}/{task}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    resources:
        runtime=get_judging_minutes,
    params:
        **work("evaluation.rivals:compare_rivals", get_first_metric_module),
        grid=lambda wildcards: canonical_json(
            with_separators(repeated_grid(config, wildcards.model), config, [wildcards.task])
        ),
        group=get_main_group,
        rivals=lambda wildcards: canonical_json(rivals_of(config, wildcards.model)),
        metric=get_first_metric,
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --rivals {params.rivals:q} --metric {params.metric:q} --table {output:q} > {log:q} 2>&1"


rule judge:
    input:
        lambda wildcards: files(config, "sizes", "comparisons", "selections"),
    output:
        "results/verdicts.csv",
    log:
        "results/logs/judge.log",
    benchmark:
        "results/benchmarks/judge.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        **work("evaluation.judge:judge"),
        grid=canonical_json(shown_grid(config, "sizes")),
        margins=canonical_json(margins_of(config)),
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --margins {params.margins:q}"
        " --verdicts {output:q} > {log:q} 2>&1"


rule aggregate:
    input:
        lambda wildcards: files(config, "all", "scores", "comparisons"),
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
        **work("evaluation.aggregate:aggregate"),
        grid=canonical_json(shown_grid(config, "all")),
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --parquet {output.parquet:q}"
        " --csv {output.csv:q} --comparisons {output.comparisons:q} > {log:q} 2>&1"
