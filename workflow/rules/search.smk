# Settings chosen on validation for each model and task, where the config has a search.
#
# Needs:  pretrained/, encoded/ and subsets/ of prepare.smk
# Makes:  results/search/{model}/{task}/n{train_size}/seed{seed}/{choice}.json  validation score of a full model
#         results/search/{model}/{task}/n{train_size}/chosen.json               the best choice, and what all scored

from supertickets.experiment.grid import main_size
from supertickets.experiment.paths import SEARCH
from supertickets.experiment.settings import tried_settings

#: Seeds that choices are judged with.
SEARCH_SEEDS = config["seeds"][: config["search"]["seeds"]]


wildcard_constraints:
    choice=one_of(CHOICES) or "none",


localrules:
    choose_settings,


def search(suffix):
    """Path pattern below the folder of a search, which is of one model, task and size."""
    return f"results/{SEARCH}/{suffix}"


def get_tried_settings(wildcards):
    """The settings of one choice, as JSON."""
    return canonical_json(tried_settings(config, wildcards.model, wildcards.task, wildcards.choice))


def get_tried_scores(wildcards):
    """Scores of each seed and choice."""
    if not CHOICES:
        raise WorkflowError("search is empty: list values of a setting to choose from")
    names = {key: [value] for key, value in wildcards.items()}
    return expand(rules.try_settings.output[0], seed=SEARCH_SEEDS, choice=list(CHOICES), **names)


def chosen():
    """What the search at the main size chose for a model and task, where the config has one."""
    main = main_size(config["train_sizes"])
    return {"chosen": search("chosen.json").replace("{train_size}", str(main))} if CHOICES else {}


rule try_settings:
    input:
        config=rules.prepare_model.output.config,
        weights=rules.prepare_model.output.weights,
        shape=rules.prepare_model.output.shape,
        encoded=rules.tokenise.output,
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
        **work("training.try_settings:try_settings", lambda wildcards: metric_modules([get_first_metric(wildcards)])),
        run=get_run,
        settings=get_tried_settings,
        metric=get_first_metric,
        options=get_training_options,
    shell:
        "python -P -m supertickets {params.work} --config {input.config:q} --weights {input.weights:q}"
        " --shape {input.shape:q} --encoded {input.encoded:q} --subset {input.subset:q} --run {params.run:q}"
        " --settings {params.settings:q} --metric {params.metric} --score {output:q} {params.options} > {log:q} 2>&1"


rule choose_settings:
    input:
        get_tried_scores,
    output:
        search("chosen.json"),
    log:
        search("chosen.log"),
    benchmark:
        search("chosen.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    params:
        **work("training.choose_settings:choose_settings"),
        seeds=canonical_json(SEARCH_SEEDS),
        choices=canonical_json(CHOICES),
    shell:
        "python -P -m supertickets {params.work} --seeds {params.seeds:q} --choices {params.choices:q}"
        " --chosen {output:q} > {log:q} 2>&1"
