# Settings chosen on validation for each model and task, where the config has a search.
#
# Needs:  pretrained/, encoded/ and subsets/ of prepare.smk
# Makes:  results/search/{model}/{task}/n{train_size}/seed{seed}/{choice}.json  validation score of a full model
#         results/search/{model}/{task}/n{train_size}/chosen.json               the best choice, and what all scored


localrules:
    choose_settings,


rule search_run:
    input:
        config=rules.fetch_model.output.config,
        weights=rules.fetch_model.output.weights,
        shape=rules.fetch_model.output.shape,
        encoded=rules.encode.output,
        subset=rules.subsample.output,
    output:
        search("seed{seed}/{choice}.json"),
    log:
        search("seed{seed}/{choice}.log"),
    benchmark:
        search("seed{seed}/{choice}.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
        gpu=GPUS,
    params:
        run=get_run,
        settings=get_searched_settings,
        metric=get_first_metric,
        options=get_training_options,
        code=code("search_run"),
    shell:
        "python -P -m scripts.search_run --config {input.config:q} --weights {input.weights:q} --shape {input.shape:q}"
        " --encoded {input.encoded:q} --subset {input.subset:q} --run {params.run:q} --settings {params.settings:q}"
        " --metric {params.metric} --score {output:q} {params.options} > {log:q} 2>&1"


rule choose_settings:
    input:
        get_searched,
    output:
        search("chosen.json"),
    log:
        search("chosen.log"),
    benchmark:
        search("chosen.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    params:
        seeds=canonical_json(SEARCH_SEEDS),
        choices=canonical_json(CHOICES),
        code=code("choose_settings"),
    shell:
        "python -P -m scripts.choose_settings --seeds {params.seeds:q} --choices {params.choices:q}"
        " --chosen {output:q} > {log:q} 2>&1"
