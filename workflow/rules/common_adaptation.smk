# Functions of the training that goes on from encoders of several tasks.


def adaptation(suffix):
    """Path pattern below the folder of one training that goes on from such an encoder."""
    return f"results/{ADAPTATION}/{suffix}"


def get_adaptation_run(wildcards):
    """The identity of such a training as JSON."""
    names = {key: wildcards[key] for key in ("model", "task", "mode", "held")}
    return canonical_json({**names, "train_size": size_from(wildcards.train_size), "seed": int(wildcards.seed)})


def importance_by_task(wildcards):
    """Importance of a new task and of those that have trained the encoder; none for one of the latter.

    Whatever the new task holds: its fine-tuned weights are deleted, and would be trained again for nearest tickets later.
    """
    if wildcards.held == "own":
        return {}
    weights = pruning_of(config, "winning")["weights"]
    trials = [dict(wildcards.items()), *joint_trials(wildcards)]
    return {trial["task"]: rules.importance.output[0].format(**trial | {"weights": weights}) for trial in trials}


def get_importance_by_task(wildcards):
    """The same, as a rule's input."""
    return list(importance_by_task(wildcards).values())


def get_held_settings(wildcards):
    """What a task holds of an encoder depends on, as JSON."""
    return canonical_json(
        {
            "outputs": outputs_of(config, wildcards.task),
            "method": pruning_of(config, "winning")["importance"],
            "importance": importance_by_task(wildcards),
        }
    )


def starts():
    """Pairs of the mode of an encoder and what a new task holds of it: all of one that was trained without tickets."""
    return [
        (mode, held)
        for mode in modes_of(ADAPTED["modes"])
        for held in (["full"] if mode == "full" else ADAPTED["tickets"])
    ]


def get_adaptation_runs(wildcards):
    """Records and predictions of all trainings of a model on new tasks."""
    runs = []
    for task in ADAPTED["tasks"]:
        for size in ADAPTED["train_sizes"]:
            for seed in config["seeds"]:
                trial = {"model": wildcards.model, "task": task, "train_size": size, "seed": seed}
                runs.append(trial | {"kind": "full", "ratio": 0.0, "draw": 1})
                runs += [{**trial, "mode": mode, "held": held} for mode, held in starts()]
    return files_of(runs)


def get_adaptation_grid(wildcards):
    """What spans these trainings, as JSON."""
    return canonical_json(
        {
            "model": wildcards.model,
            "train_sizes": ADAPTED["train_sizes"],
            "seeds": config["seeds"],
            "starts": starts(),
            "metrics": {task: DEFINED["tasks"][task]["metrics"] for task in ADAPTED["tasks"]},
        }
    )
