# Functions of the training on several tasks.


def multi_task(suffix):
    """Path pattern below the folder of one training on several tasks."""
    return f"results/{MULTI_TASK}/{suffix}"


def joint_trials(wildcards):
    """The trial of each task at the main size: model, task, train_size and seed."""
    size = config["train_sizes"][0]
    names = {"model": wildcards.model, "train_size": size, "seed": int(wildcards.seed)}
    return [{**names, "task": task} for task in JOINT_TASKS]


def joint_ratios(wildcards):
    """The ratio of a task's super ticket, where the config gives it."""
    given = JOINT["ratios"]
    named = {task: given.get(f"{wildcards.model}/{task}", given.get(task)) for task in JOINT_TASKS}
    return {task: ratio for task, ratio in named.items() if ratio is not None}


def get_shared_inputs(wildcards):
    """Selections, and the tickets that one of them may have chosen."""
    if wildcards.mode == "full":
        return []
    kind = "random" if wildcards.mode == "random" else "winning"
    files = []
    for trial in joint_trials(wildcards):
        given = joint_ratios(wildcards).get(trial["task"])
        if given is None:
            files.append(f"results/selections/{group_file(trial | {'kind': 'winning'})}.csv")
        ratios = config["ratios"] if given is None else [given] * (given > 0)
        files += [f"results/{ticket_file(trial | {'kind': kind, 'ratio': ratio, 'draw': 1})}" for ratio in ratios]
    return files


def get_joint_outputs(wildcards):
    """Number of outputs of each task, as JSON."""
    return canonical_json({task: outputs_of(config, task) for task in JOINT_TASKS})


def joint_files(wildcards):
    """What each task is trained from."""
    encoded, subset = rules.encode.output[0], rules.subsample.output[0]
    return {
        trial["task"]: {"encoded": encoded.format(**trial), "subset": subset.format(**trial)}
        for trial in joint_trials(wildcards)
    }


def get_joint_files(wildcards):
    """The same, as a rule's input."""
    return [path for files in joint_files(wildcards).values() for path in files.values()]


def get_joint_tasks(wildcards):
    """The same with the settings of each task, as JSON."""
    return canonical_json(
        {
            task: {**files, "settings": training_of(config, wildcards.model, task)}
            for task, files in joint_files(wildcards).items()
        }
    )


def get_joint_settings(wildcards):
    """How an encoder is trained on all tasks, as JSON."""
    training = {**config["training"], **JOINT["training"]}
    training.pop("classifier_dropout")
    return canonical_json({**{key: JOINT[key] for key in ("sampler", "temperature", "cap", "untouched")}, **training})


def get_joint_run(wildcards):
    """The identity of a training on several tasks, as JSON."""
    return canonical_json({"model": wildcards.model, "mode": wildcards.mode, "seed": int(wildcards.seed)})


def needed_mode(mode):
    """A mode of multi-task training that something shows."""
    if mode not in JOINT["modes"]:
        raise WorkflowError(f"multi_task.modes is {JOINT['modes']}: this needs {mode!r} among them")
    return mode


def modes_of(asked):
    """Modes that the config trains, of those that something asks for."""
    return [mode for mode in asked if mode in JOINT["modes"]]


def get_joint_ways(wildcards):
    """Selections, records and predictions of all ways in which a model is trained on the tasks of several-task training."""
    needed_mode("full")  # what all others are compared with
    grid, files, runs = joint_grid(wildcards), [], []
    for task in JOINT_TASKS:
        given = grid["ratios"].get(task)
        if given is None:
            group = {"model": wildcards.model, "task": task, "train_size": grid["train_size"], "kind": "winning"}
            files.append(f"results/selections/{group_file(group)}.csv")
        for ratio in config["ratios"] if given is None else [given]:
            runs += [run for members in multi_task_ways(grid, task, ratio)[1].values() for run in members]
    return [*files, *dict.fromkeys(files_of(runs))]


def joint_grid(wildcards):
    """What spans these ways."""
    return {
        "model": wildcards.model,
        "train_size": config["train_sizes"][0],
        "seeds": config["seeds"],
        "modes": JOINT["modes"],
        "then_single": modes_of(JOINT["then_single"]),
        "ratios": joint_ratios(wildcards),
        "metrics": {task: DEFINED["tasks"][task]["metrics"] for task in JOINT_TASKS},
    }


def get_joint_grid(wildcards):
    """The same as JSON."""
    return canonical_json(joint_grid(wildcards))
