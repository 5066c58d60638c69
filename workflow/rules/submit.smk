# Submissions to the GLUE server: the best full models, and the best super tickets, of all its tasks.
#
# Needs:  tickets, subsets, scores/ and selections/ of the winning tickets at the main size
# Makes:  results/submissions/{model}-{which}.zip, .json  eleven files, and which of them hold fillers


localrules:
    submission,


use rule encode as encode_all with:
    output:
        "results/submissions/encoded/{model}/{task}.parquet",
    log:
        "results/logs/encode_all/{model}/{task}.log",
    benchmark:
        "results/benchmarks/encode_all/{model}/{task}.tsv"
    params:
        max_length=config["max_length"],
        unlabelled=1,
        code=code("encode"),


rule predict_for_server:
    input:
        get_trained_before,
        **chosen(),
        encoded=rules.encode_all.output,
        config=rules.fetch_model.output.config,
        weights=rules.fetch_model.output.weights,
        shape=rules.fetch_model.output.shape,
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
        grid=get_main_grid,
        group=get_main_group,
        metric=get_first_metric,
        settings=get_server_settings,
        options=get_training_options,
        code=code("predict_for_server"),
    shell:
        "python -P -m scripts.predict_for_server --results results --grid {params.grid:q} --group {params.group:q}"
        " --metric {params.metric} --which {wildcards.which} --settings {params.settings:q} --encoded {input.encoded:q}"
        " --predictions {output:q} {params.options} > {log:q} 2>&1"


rule submission:
    input:
        get_server_predictions,
    output:
        archive="results/submissions/{model}-{which}.zip",
        contents="results/submissions/{model}-{which}.json",
    log:
        "results/logs/submission/{model}-{which}.log",
    benchmark:
        "results/benchmarks/submission/{model}-{which}.tsv"
    conda:
        "../../envs/supertickets.yaml"
    params:
        predictions=get_predictions_by_task,
        code=code("submission"),
    shell:
        "python -P -m scripts.submission --predictions {params.predictions:q} --archive {output.archive:q} > {log:q} 2>&1"
