# Functions of submissions to the GLUE server.


def get_main_group(wildcards):
    """The winning tickets of a model and task at the main size, as JSON."""
    return canonical_json(main_group(wildcards))


def get_main_grid(wildcards):
    """What spans them, as JSON."""
    return canonical_json({"seeds": config["seeds"], "ratios": config["ratios"], "draws": {"winning": 1}})


def main_group(wildcards):
    """The winning tickets of a model and task at the main size."""
    size = config["train_sizes"][0]
    return {"model": wildcards.model, "task": wildcards.task, "train_size": size, "kind": "winning"}


def get_trained_before(wildcards):
    """What a training that is done again was chosen by and made from."""
    group = main_group(wildcards)
    runs = list(group_runs(scoped(GRID, "main"), group))
    subset = rules.subsample.output[0]
    return [
        f"results/scores/{group_file(group)}.parquet",
        f"results/selections/{group_file(group)}.csv",
        *(f"results/{ticket_file(run)}" for run in runs if run["kind"] != "full"),
        *(subset.format(task=group["task"], train_size=group["train_size"], seed=seed) for seed in config["seeds"]),
    ]


def get_server_settings(wildcards):
    """A task's training settings, with its unlabelled parts to predict, as JSON."""
    parts = parts_of(DEFINED["tasks"][wildcards.task], config["glue"])
    unlabelled = {part: None for part in parts if part in UNLABELLED}
    return canonical_json(unsearched(training_of(config, wildcards.model, wildcards.task)) | {"evaluate": unlabelled})


def server_predictions(wildcards):
    """Predictions of each of the GLUE server's tasks that this config has, by task."""
    tasks = [task for task in config["tasks"] if task in SERVER_PARTS]
    if not tasks:
        raise WorkflowError(
            f"a submission needs a task of GLUE ({', '.join(SERVER_PARTS)}); tasks is {config['tasks']}"
        )
    for task in tasks:
        labels, ordered = (tasks[task].get("labels") for tasks in (DEFINED["tasks"], CATALOGUED["tasks"]))
        if labels != ordered:
            raise WorkflowError(
                f"a submission of task {task} needs its labels in the server's order: define.tasks.{task}.labels is "
                f"{labels}; write {ordered}"
            )
        missing = sorted(set(SERVER_PARTS[task]) - set(parts_of(DEFINED["tasks"][task], config["glue"])))
        if missing:
            raise WorkflowError(
                f"a submission of task {task} needs its part {missing[0]} (of glue.parts in its definition); glue is "
                f"{config['glue']!r}: no such file there"
            )
    pattern = rules.predict_for_server.output[0]
    return {task: pattern.format(task=task, **wildcards) for task in tasks}


def get_server_predictions(wildcards):
    """The same, as a rule's input."""
    return list(server_predictions(wildcards).values())


def get_predictions_by_task(wildcards):
    """The same as JSON."""
    return canonical_json(server_predictions(wildcards))
