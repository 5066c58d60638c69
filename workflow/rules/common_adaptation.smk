# Functions of the training that goes on from encoders of several tasks.


def adaptation(suffix):
    """Path pattern below the folder of one training that goes on from such an encoder."""
    return f"results/{ADAPTATION}/{suffix}"


def get_adaptation_run(wildcards):
    """The identity of such a training as JSON."""
    names = {key: wildcards[key] for key in ("model", "task", "mode", "held")}
    return canonical_json({**names, "train_size": size_from(wildcards.train_size), "seed": int(wildcards.seed)})


def importance_by_task(wildcards):
    """Importance of a new task and of those that have trained the encoder; none where no ticket depends on it."""
    if wildcards.held != "nearest":
        return {}
    trials = [dict(wildcards.items()), *joint_trials(wildcards)]
    return {trial["task"]: importance_file(trial) for trial in trials}


def importance_file(trial):
    """The scores by which winning tickets of a trial are cut."""
    return rules.importance.output[0].format(**trial, weights=pruning_of(config, "winning")["weights"])


def get_importance_by_task(wildcards):
    """The same, as a rule's input."""
    return list(importance_by_task(wildcards).values())


def get_held_settings(wildcards):
    """What a task holds of an encoder depends on, as JSON."""
    settings = {"outputs": outputs_of(config, wildcards.task)}
    if wildcards.held == "nearest":
        settings |= {"method": pruning_of(config, "winning")["importance"], "importance": importance_by_task(wildcards)}
    return canonical_json(settings)


def starts():
    """Pairs of the mode of an encoder and what a new task holds of it: all of one that was trained without tickets."""
    return [
        (mode, held)
        for mode in modes_of(ADAPTED["modes"])
        for held in (["full"] if mode == "full" else ADAPTED["tickets"])
    ]


def get_adaptation_runs(wildcards):
    """Records and predictions of all trainings of a model on new tasks."""
    if not ADAPTED["tasks"]:
        raise WorkflowError("adaptation.tasks is empty: name the new tasks")
    if not starts():
        raise WorkflowError(
            f"adaptation.modes is {ADAPTED['modes']} and multi_task.modes is {JOINT['modes']}: they have none in common"
        )
    return files_of(
        run for _, ways in adaptation_ways(adaptation_grid(wildcards)) for runs in ways.values() for run in runs
    )


def get_new_importance(wildcards):
    """Importance of the new tasks, where there are tickets that one may be the nearest to.

    It is made with them, whatever they hold: their fine-tuned weights are deleted, and would be trained again for it later.
    """
    if all(mode == "full" for mode, _ in starts()):
        return []
    grid = adaptation_grid(wildcards)
    return [importance_file(trial | {"seed": seed}) for trial, _ in adaptation_ways(grid) for seed in grid["seeds"]]


def adaptation_grid(wildcards):
    """What spans these trainings."""
    return {
        "model": wildcards.model,
        "train_sizes": ADAPTED["train_sizes"],
        "seeds": config["seeds"],
        "starts": starts(),
        "metrics": {task: DEFINED["tasks"][task]["metrics"] for task in ADAPTED["tasks"]},
    }


def get_adaptation_grid(wildcards):
    """The same as JSON."""
    return canonical_json(adaptation_grid(wildcards))
