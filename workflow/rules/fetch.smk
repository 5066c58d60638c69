# The only rules that need the network. Everything after them runs without.
#
# Needs:  a package index that pip is set up for; the hub, for models and tasks that are there
# Makes:  results/packages/{package}        one release file, its hash checked
#         results/hub/models/{model}/       config, tokenizer and safetensors of one commit
#         results/hub/datasets/{dataset}/   splits of one commit as Parquet

from supertickets.experiment.downloads import downloads_of
from supertickets.experiment.task_files import hub_downloads

HUB_DATASETS = hub_downloads(TASKS)


wildcard_constraints:
    package=one_of(DEFINED["packages"]),
    dataset=one_of(Path(folder).name for folder in HUB_DATASETS) or "none",


localrules:
    fetch_package,
    fetch_hub_model,
    fetch_hub_dataset,


def get_hub_model(wildcards):
    """What to download of a model, for the command line."""
    entry = DEFINED["models"][wildcards.model]
    return options({"repository": entry["hub"], "revision": entry["revision"], "sha256": entry.get("sha256")})


def get_hub_dataset(wildcards):
    """What to download of a dataset, for the command line."""
    return options(HUB_DATASETS[f"results/hub/datasets/{wildcards.dataset}"])


def get_downloads(wildcards):
    """All that the network is needed for, by this config."""
    return downloads_of(config, TASKS)


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
        **work("data.package:fetch_package"),
        settings=lambda wildcards: canonical_json(DEFINED["packages"][wildcards.package]),
    shell:
        "python -P -m supertickets {params.work} --package {wildcards.package} --release {params.settings:q}"
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
        **work("data.hub:fetch_hub_model"),
        settings=get_hub_model,
    shell:
        "python -P -m supertickets {params.work} {params.settings} --folder {output:q} > {log:q} 2>&1"


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
        **work("data.hub:fetch_hub_dataset"),
        settings=get_hub_dataset,
    shell:
        "python -P -m supertickets {params.work} {params.settings} --folder {output:q} > {log:q} 2>&1"
