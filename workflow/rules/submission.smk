# Submissions to the GLUE server: the best full models, and the best super tickets, of all its tasks.
#
# Needs:  tickets, subsets, scores/ and selections/ of the winning tickets at the main size
# Makes:  results/submissions/{model}-{which}.zip, .json  eleven files, and which of them hold fillers

from supertickets.experiment.repeated import repeated_inputs, selected_grid
from supertickets.experiment.submission import server_settings, submitted_tasks


localrules:
    write_submission,


def get_server_predictions(wildcards):
    """Predictions of each of the GLUE server's tasks that the config has, by task."""
    pattern = rules.predict_for_server.output[0]
    return {task: pattern.format(task=task, **wildcards) for task in user_errors(submitted_tasks)(config)}


use rule tokenise as tokenise_unlabelled with:
    output:
        "results/submissions/encoded/{model}/{task}.parquet",
    log:
        "results/logs/tokenise_unlabelled/{model}/{task}.log",
    benchmark:
        "results/benchmarks/tokenise_unlabelled/{model}/{task}.tsv"
    params:
        max_length=config["max_length"],
        unlabelled=1,


rule predict_for_server:
    input:
        lambda wildcards: repeated_inputs(config, wildcards.model, wildcards.task),
        unpack(get_finetuned),
        **chosen(),
        encoded=rules.tokenise_unlabelled.output,
        config=rules.prepare_model.output.config,
        weights=rules.prepare_model.output.weights,
        shape=rules.prepare_model.output.shape,
    output:
        "results/submissions/predictions/{model}/{task}-{which}.parquet",
    log:
        "results/logs/predict_for_server/{model}/{task}-{which}.log",
    benchmark:
        "results/benchmarks/predict_for_server/{model}/{task}-{which}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
        gpu=GPUS,
    params:
        **work("submission.predict:predict_for_server", judged_by),
        grid=lambda wildcards: canonical_json(selected_grid(config, wildcards.model)),
        group=get_main_group,
        metric=get_first_metric,
        settings=lambda wildcards: canonical_json(server_settings(config, wildcards.model, wildcards.task)),
        options=get_training_options,
    shell:
        "python -P -m supertickets {params.work} --results results --grid {params.grid:q} --group {params.group:q}"
        " --metric {params.metric} --which {wildcards.which} --settings {params.settings:q} --encoded {input.encoded:q}"
        " --predictions {output:q} {params.options} > {log:q} 2>&1"


rule write_submission:
    input:
        lambda wildcards: list(get_server_predictions(wildcards).values()),
    output:
        archive="results/submissions/{model}-{which}.zip",
        contents="results/submissions/{model}-{which}.json",
    log:
        "results/logs/write_submission/{model}-{which}.log",
    benchmark:
        "results/benchmarks/write_submission/{model}-{which}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        **work("submission.archive:write_submission"),
        predictions=lambda wildcards: canonical_json(get_server_predictions(wildcards)),
    shell:
        "python -P -m supertickets {params.work} --predictions {params.predictions:q} --archive {output.archive:q}"
        " > {log:q} 2>&1"
