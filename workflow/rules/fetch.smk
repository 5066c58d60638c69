# The only rules that need the network. Everything after them runs without.
#
# Needs:  a package index that pip is set up for; the hub, for models and tasks that are there
# Makes:  results/packages/{package}        one release file, its hash checked
#         results/hub/models/{model}/       config, tokenizer and safetensors of one commit
#         results/hub/datasets/{dataset}/   splits of one commit as Parquet


localrules:
    fetch_package,
    fetch_hub_model,
    fetch_hub_dataset,


rule fetch_package:
    output:
        "results/packages/{package}",
    log:
        "results/logs/fetch_package/{package}.log",
    benchmark:
        "results/benchmarks/fetch_package/{package}.tsv"
    retries: 2
    conda:
        "../../envs/supertickets.yaml"
    params:
        settings=lambda wildcards: canonical_json(DEFINED["packages"][wildcards.package]),
        code=code("fetch_package"),
    shell:
        "python -P -m scripts.fetch_package --package {wildcards.package} --release {params.settings:q}"
        " --archive {output:q} > {log:q} 2>&1"


rule fetch_hub_model:
    output:
        directory("results/hub/models/{model}"),
    log:
        "results/logs/fetch_hub_model/{model}.log",
    benchmark:
        "results/benchmarks/fetch_hub_model/{model}.tsv"
    retries: 2
    conda:
        "../../envs/supertickets.yaml"
    params:
        settings=get_hub_model,
        code=code("fetch_hub_model"),
    shell:
        "python -P -m scripts.fetch_hub_model {params.settings} --folder {output:q} > {log:q} 2>&1"


rule fetch_hub_dataset:
    output:
        directory("results/hub/datasets/{dataset}"),
    log:
        "results/logs/fetch_hub_dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/fetch_hub_dataset/{dataset}.tsv"
    retries: 2
    conda:
        "../../envs/supertickets.yaml"
    params:
        settings=get_hub_dataset,
        code=code("fetch_hub_dataset"),
    shell:
        "python -P -m scripts.fetch_hub_dataset {params.settings} --folder {output:q} > {log:q} 2>&1"
