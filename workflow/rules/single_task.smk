# Find the tickets of one task and train them.
#
# Needs:  pretrained/, encoded/ and subsets/ of prepare.smk
# Makes, below results/runs/{model}/{task}/n{train_size}/seed{seed}/:
#         full/ and {kind}-{ratio}/  record.json, predictions.parquet and, if kept, model.safetensors
#         full/teacher.safetensors   what the full model predicts of its training examples, where tickets learn from it
#         importance/{weights}.csv   scores of all heads and feed-forward blocks, of fine_tuned or pretrained weights
#         tickets/{kind}-{ratio}.json  the units that a ticket keeps
#         importance/training/       the full model up to the epoch that is scored, if that is another than its own
#         steps/{kind}-{ratio}/{step}/  ticket, retraining and scores of each step of an iterative kind

from supertickets.experiment.paths import IMPORTANCE
from supertickets.experiment.settings import (
    importance_epoch,
    methods_of,
    outputs_of,
    pruning_of,
    scored_settings,
    teacher_of,
)


wildcard_constraints:
    step=r"\d+",


def step(suffix):
    """Path pattern below the folder of one step of an iterative ticket."""
    return trial(f"steps/{{kind}}-{{ratio}}/{{step}}/{suffix}")


def pruning(wildcards):
    """How the tickets of a kind are scored and cut."""
    return pruning_of(config, kind_and_draw(wildcards.kind)[0])


def get_ticket_run(wildcards):
    """The identity of a ticket's run as JSON; a step of k has its share of the ratio."""
    done = int(wildcards.step) / pruning(wildcards)["steps"] if "step" in wildcards.keys() else 1
    return get_run(wildcards, wildcards.kind, round(float(wildcards.ratio) * done, 2))


def get_ticket_settings(wildcards):
    """How a ticket is drawn, as JSON."""
    return canonical_json({**pruning(wildcards), "outputs": outputs_of(config, wildcards.task)})


def scored_at(wildcards):
    """Settings of the training whose weights are scored."""
    return scored_settings(config, wildcards.model, wildcards.task, trained_size(wildcards))


def scored_apart(wildcards):
    """Whether that is a training of its own."""
    return importance_epoch(config, wildcards.model, wildcards.task, trained_size(wildcards)) is not None


def get_scored_weights(wildcards):
    """The weights that importance is computed on."""
    if wildcards.weights == "pretrained":
        return rules.prepare_model.output.weights.format(**wildcards)
    if scored_apart(wildcards):
        return rules.finetune_to_score.output.trained.format(**wildcards)
    return rules.finetune.output.trained.format(**wildcards)


def get_methods(wildcards):
    """The importance scores that are computed; a step scores the weights that it has trained."""
    return methods_of(config, wildcards.get("weights", "fine_tuned"))


def get_scores_to_prune_by(wildcards):
    """Scores of the full model, or of the ticket of the step before with that ticket."""
    settings = pruning(wildcards)
    before = int(wildcards.get("step", settings["steps"])) - 1
    if before == 0:
        return {
            "importance": f"results/{IMPORTANCE}".format(**dict(wildcards.items()) | {"weights": settings["weights"]})
        }
    names = {"importance": "importance.csv", "previous": "ticket.json"}
    return {key: step(name).format(**dict(wildcards.items()) | {"step": before}) for key, name in names.items()}


def teacher(wildcards):
    """How the tickets of a kind learn from the full model; empty where they do not, as those of adaptation."""
    return teacher_of(config, kind_and_draw(wildcards.kind)[0]) if "kind" in wildcards.keys() else {}


def get_teacher(wildcards):
    """What the full model predicts of the training examples, for tickets that learn from it."""
    return {"teacher": rules.teach.output[0].format(**wildcards)} if teacher(wildcards) else {}


def get_retraining_settings(wildcards):
    """Settings of a ticket's training as JSON, with its teacher if it has one."""
    settings = unsearched(config, settings_at(wildcards))
    return canonical_json(settings | teacher(wildcards))


def get_scored_settings(wildcards):
    """Settings of the training whose weights are scored as JSON."""
    settings = unsearched(config, scored_at(wildcards))
    return canonical_json(settings | (teacher(wildcards) if "step" in wildcards.keys() else {}))


def get_scoring_options(wildcards, input, output):
    """Files, and whether the weights are temporary: those of a step, or made for the scores alone, always are."""
    apart = scored_apart(wildcards) and "weights" in wildcards.keys()
    temporary = "step" in wildcards.keys() or apart or not config["keep_weights"]
    return f"{get_optional_files(wildcards, input, output)} --temporary {int(temporary)}"


rule finetune:
    input:
        unpack(get_finetuned),
        **chosen(),
        config=rules.prepare_model.output.config,
        weights=rules.prepare_model.output.weights,
        shape=rules.prepare_model.output.shape,
        encoded=rules.tokenise.output,
        subset=rules.subsample.output,
    output:
        record=trial("full/record.json"),
        predictions=trial("full/predictions.parquet"),
        trained=kept(trial("full/model.safetensors")),
    log:
        trial("full/train.log"),
    benchmark:
        trial("full/benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
        gpu=GPUS,
    params:
        **work("training.run:train_run", judged_by),
        run=get_run,
        settings=get_settings,
        options=get_training_options,
    shell:
        "python -P -m supertickets {params.work} --config {input.config:q} --weights {input.weights:q}"
        " --shape {input.shape:q} --encoded {input.encoded:q} --subset {input.subset:q} --run {params.run:q}"
        " --settings {params.settings:q} --record {output.record:q} --predictions {output.predictions:q}"
        " {params.options} > {log:q} 2>&1"


# Where the units are scored at another epoch than the model is.


use rule finetune as finetune_to_score with:
    output:
        record=trial("importance/training/record.json"),
        predictions=trial("importance/training/predictions.parquet"),
        trained=temp(trial("importance/training/model.safetensors")),
    log:
        trial("importance/training/train.log"),
    benchmark:
        trial("importance/training/benchmark.tsv")
    params:
        **work("training.run:train_run", lambda wildcards: judged_by(wildcards, scored_at)),
        settings=get_scored_settings,


rule score_units:
    input:
        **chosen(),
        config=rules.prepare_model.output.config,
        weights=get_scored_weights,
        encoded=rules.tokenise.output,
        subset=rules.subsample.output,
    output:
        f"results/{IMPORTANCE}",
    log:
        trial("importance/{weights}.log"),
    benchmark:
        trial("importance/{weights}.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
        gpu=GPUS,
    params:
        **work(
            "tickets.importance:score_units",
            lambda wildcards: [f"tickets.methods.{name}" for name in get_methods(wildcards)],
        ),
        settings=get_settings,
        methods=lambda wildcards: canonical_json(get_methods(wildcards)),
        options=get_scoring_options,
    shell:
        "python -P -m supertickets {params.work} --config {input.config:q} --weights {input.weights:q}"
        " --encoded {input.encoded:q} --subset {input.subset:q} --seed {wildcards.seed} --settings {params.settings:q}"
        " --methods {params.methods:q} --importance {output:q} {params.options} > {log:q} 2>&1"


rule teach:
    input:
        **chosen(),
        config=rules.prepare_model.output.config,
        weights=rules.finetune.output.trained,
        encoded=rules.tokenise.output,
        subset=rules.subsample.output,
    output:
        trial("full/teacher.safetensors"),
    log:
        trial("full/teach.log"),
    benchmark:
        trial("full/teach.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    threads: config["threads"]
    resources:
        mem_mb=get_training_memory,
        runtime=get_training_minutes,
        gpu=GPUS,
    params:
        **work("training.teacher:teach"),
        settings=get_settings,
        options=get_scoring_options,
    shell:
        "python -P -m supertickets {params.work} --config {input.config:q} --weights {input.weights:q}"
        " --encoded {input.encoded:q} --subset {input.subset:q} --settings {params.settings:q}"
        " --teacher {output:q} {params.options} > {log:q} 2>&1"


rule prune:
    input:
        unpack(get_scores_to_prune_by),
        shape=rules.prepare_model.output.shape,
    output:
        trial("tickets/{kind}-{ratio}.json"),
    log:
        trial("tickets/{kind}-{ratio}.log"),
    benchmark:
        trial("tickets/{kind}-{ratio}.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    params:
        **work("tickets.prune:prune", lambda wildcards: [f"tickets.kinds.{pruning(wildcards)['like']}"]),
        run=get_ticket_run,
        settings=get_ticket_settings,
        files=get_optional_files,
    shell:
        "python -P -m supertickets {params.work} --importance {input.importance:q} --shape {input.shape:q}"
        " --run {params.run:q} --settings {params.settings:q} --ticket {output:q} {params.files} > {log:q} 2>&1"


rule rewind:
    input:
        config=rules.prepare_model.output.config,
        weights=rules.prepare_model.output.weights,
        ticket=rules.prune.output,
    output:
        kept(trial("{kind}-{ratio}/rewound.safetensors")),
    log:
        trial("{kind}-{ratio}/rewind.log"),
    benchmark:
        trial("{kind}-{ratio}/rewind.benchmark.tsv")
    conda:
        "../../envs/supertickets.yaml"
    resources:
        mem_mb=get_copying_memory,
    params:
        **work("encoder.rewind:rewind"),
    shell:
        "python -P -m supertickets {params.work} --pretrained {input.weights:q} --config {input.config:q}"
        " --ticket {input.ticket:q} --rewound {output:q} > {log:q} 2>&1"


use rule finetune as retrain with:
    input:
        unpack(get_teacher),
        **chosen(),
        config=rules.prepare_model.output.config,
        weights=rules.rewind.output,
        shape=rules.prepare_model.output.shape,
        ticket=rules.prune.output,
        encoded=rules.tokenise.output,
        subset=rules.subsample.output,
    output:
        **if_kept(trained=trial("{kind}-{ratio}/model.safetensors")),
        record=trial("{kind}-{ratio}/record.json"),
        predictions=trial("{kind}-{ratio}/predictions.parquet"),
    log:
        trial("{kind}-{ratio}/train.log"),
    benchmark:
        trial("{kind}-{ratio}/benchmark.tsv")
    params:
        run=get_ticket_run,
        settings=get_retraining_settings,


# An iterative kind prunes in steps. Each but the last is a ticket of its own, which is retrained and scored.


use rule prune as prune_step with:
    output:
        step("ticket.json"),
    log:
        step("ticket.log"),
    benchmark:
        step("ticket.benchmark.tsv")


use rule rewind as rewind_step with:
    input:
        config=rules.prepare_model.output.config,
        weights=rules.prepare_model.output.weights,
        ticket=rules.prune_step.output,
    output:
        temp(step("rewound.safetensors")),
    log:
        step("rewind.log"),
    benchmark:
        step("rewind.benchmark.tsv")


use rule retrain as retrain_step with:
    input:
        unpack(get_teacher),
        **chosen(),
        config=rules.prepare_model.output.config,
        weights=rules.rewind_step.output,
        shape=rules.prepare_model.output.shape,
        ticket=rules.prune_step.output,
        encoded=rules.tokenise.output,
        subset=rules.subsample.output,
    output:
        trained=temp(step("model.safetensors")),
        record=step("record.json"),
        predictions=step("predictions.parquet"),
    log:
        step("train.log"),
    benchmark:
        step("train.benchmark.tsv")
    params:
        **work("training.run:train_run", lambda wildcards: judged_by(wildcards, scored_at)),
        settings=get_scored_settings,


use rule score_units as score_units_step with:
    input:
        **chosen(),
        config=rules.prepare_model.output.config,
        weights=rules.retrain_step.output.trained,
        ticket=rules.prune_step.output,
        encoded=rules.tokenise.output,
        subset=rules.subsample.output,
    output:
        step("importance.csv"),
    log:
        step("importance.log"),
    benchmark:
        step("importance.benchmark.tsv")
