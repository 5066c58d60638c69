# What jobs ask of a machine or a cluster: memory, time and GPUs, from model, data and settings; half more with every attempt.
#
# A profile overrides any of it under set-resources, by rule.

from functools import cache
from math import ceil

from supertickets.demands import copying_mb, judging_minutes, memory_mb, minutes, table_mb, table_minutes
from supertickets.task_sizes import known_sizes

#: Examples of a part whose number only its file tells, and MB of a base encoder's weights and a large one's.
UNKNOWN_EXAMPLES = 100_000
UNKNOWN_WEIGHTS = {"base": 440, "large": 1340}

#: GPUs that a training asks for: device auto means one too, so that a cluster has no CPU train for weeks by mistake.
GPUS = int(config["device"] != "cpu")


def grown(attempt, demand):
    """Half more with every attempt: many are repeated because they were cancelled, and those go on where they were."""
    return ceil(demand * (1 + attempt) / 2)


@cache
def weights_mb(model):
    """Size of an encoder's float32 weights in MB, from its file where that is there already."""
    entry = DEFINED["models"][model]
    folders = [f"results/pretrained/{model}", *([entry["path"]] if "path" in entry else [])]
    found = [path for path in (Path(folder) / "model.safetensors" for folder in folders) if path.is_file()]
    return found[0].stat().st_size / 1e6 if found else UNKNOWN_WEIGHTS[entry.get("size", "base")]


@cache
def examples_of(task):
    """Number of examples of each part of a task, or the most that it can be."""
    known = known_sizes(config, TASKS[task]) or {}
    return {part: known.get(part, UNKNOWN_EXAMPLES) for part in ("train", "validation", "test")}


def trained_examples(task, size):
    """Examples that a task is trained on."""
    most = examples_of(task)["train"]
    return most if size == "all" else min(size, most) if isinstance(size, int) else size * most


def predicted_examples(task):
    """Examples that are predicted after training."""
    limits = config["evaluate"].items()
    return sum(examples_of(task)[part] if limit == "all" else limit for part, limit in limits)


def training_demand(wildcards):
    """Tasks of a training, and its settings as far as they decide what it costs."""
    alone = "task" in wildcards.keys()
    tasks = [wildcards.task] if alone else JOINT_TASKS
    settings = [training_of(config, wildcards.model, task) for task in tasks]
    settings += [] if alone else [{**config["training"], **JOINT["training"]}]
    choices = {key: config["search"][key] for key in ("epochs", "batch_size")}
    most = {key: max([*values, *(how[key] for how in settings)]) for key, values in choices.items()}
    size = size_from(str(wildcards.get("train_size", config["train_sizes"][0])))
    counts = [(trained_examples(task, size), predicted_examples(task)) for task in tasks]
    return most, counts


def get_training_memory(wildcards, attempt):
    """Memory of a training, in MB."""
    most, counts = training_demand(wildcards)
    examples = sum(map(sum, counts))
    weights = weights_mb(wildcards.model)
    return grown(attempt, memory_mb(weights, examples, most["batch_size"], config["max_length"], bool(GPUS)))


def get_training_minutes(wildcards, attempt):
    """Time of a training, in minutes; importance takes less."""
    most, counts = training_demand(wildcards)
    passes = sum(3 * most["epochs"] * trained + predicted for trained, predicted in counts)
    weights = weights_mb(wildcards.model)
    return grown(attempt, minutes(weights, passes, config["max_length"], config["threads"], bool(GPUS)))


def get_copying_memory(wildcards, attempt):
    """Memory of what reads and writes an encoder's weights, in MB."""
    return grown(attempt, copying_mb(weights_mb(wildcards.model)))


def get_table_memory(wildcards, attempt):
    """Memory of what reads and writes all examples of a task, in MB."""
    return grown(attempt, table_mb(sum(examples_of(wildcards.task).values())))


def get_table_minutes(wildcards, attempt):
    """Time of the same, in minutes."""
    return grown(attempt, table_minutes(sum(examples_of(wildcards.task).values())))


def get_judging_minutes(wildcards, attempt):
    """Time of what scores or compares the runs of one task, or on all tasks of a model, in minutes."""
    tasks = [wildcards.task] if "task" in wildcards.keys() else [*JOINT_TASKS, *ADAPTED["tasks"]]
    draws = GRID["draws"].get(wildcards.get("kind"), 1)
    runs = len(config["seeds"]) * (1 + len(config["ratios"]) * draws)
    return grown(attempt, judging_minutes(runs * sum(map(predicted_examples, tasks))))
