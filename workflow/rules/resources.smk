# What jobs ask of a machine: memory, time and GPUs, from model, data and settings. A profile overrides any of it under
# set-resources, by rule. And how a cluster runs groups of jobs.

from functools import cache

from supertickets.experiment import resources
from supertickets.experiment.multi_task import shared_tasks

#: GPUs that a training asks for: device auto means one too, so that a cluster has no CPU train for weeks by mistake.
GPUS = int(config["device"] != "cpu")


@cache
def weights_mb(model):
    """Size of an encoder's weights in MB, looked up once."""
    return resources.weights_mb(config, model)


@cache
def examples_of(task):
    """Number of examples of each part of a task, counted once."""
    return resources.examples_of(config, task)


def predicted_examples(task):
    """Number of examples of a task that are predicted after a training."""
    return resources.predicted_examples(config, task, examples_of(task))


def training_demand(wildcards):
    """The most epochs and the largest batch of a training, and examples trained on and predicted, by task."""
    return resources.training_demand(config, dict(wildcards.items()), trained_size(wildcards), examples_of)


def get_training_memory(wildcards, attempt):
    """Memory of a training, in MB."""
    most, counts = training_demand(wildcards)
    demand = resources.memory_mb(
        weights_mb(wildcards.model), sum(map(sum, counts)), most["batch_size"], config["max_length"], bool(GPUS)
    )
    return resources.grown(attempt, demand)


def get_training_minutes(wildcards, attempt):
    """Time of a training, in minutes; importance takes less."""
    most, counts = training_demand(wildcards)
    passes = sum(3 * most["epochs"] * trained + predicted for trained, predicted in counts)
    demand = resources.minutes(weights_mb(wildcards.model), passes, config["max_length"], config["threads"], bool(GPUS))
    return resources.grown(attempt, demand)


def get_copying_memory(wildcards, attempt):
    """Memory of a job that copies an encoder's weights, in MB."""
    return resources.grown(attempt, resources.copying_mb(weights_mb(wildcards.model)))


def get_table_memory(wildcards, attempt):
    """Memory of a job that reads and writes all examples of a task, in MB."""
    return resources.grown(attempt, resources.table_mb(sum(examples_of(wildcards.task).values())))


def get_table_minutes(wildcards, attempt):
    """Time of a job that reads and writes all examples of a task, in minutes."""
    return resources.grown(attempt, resources.table_minutes(sum(examples_of(wildcards.task).values())))


def get_judging_minutes(wildcards, attempt):
    """Time of a job that scores or compares the runs of one task, or on all tasks of a model, in minutes."""
    tasks = [wildcards.task] if "task" in wildcards.keys() else [*shared_tasks(config), *config["adaptation"]["tasks"]]
    draws = GRID["draws"].get(wildcards.get("kind"), 1)
    runs = len(config["seeds"]) * (1 + resources.most_ratios(config) * draws)
    predicted = sum(map(predicted_examples, tasks))
    return resources.grown(attempt, resources.judging_minutes(runs * predicted))


def run_groups_in_one_process():
    """Have the Snakemake of a cluster job run all jobs of its group itself. Called when all rules are known.

    Slurm's plugin would start one more, as a job step, for each job of the group. In an array it has to: that is how
    each task gets to know what to do.
    """
    if workflow.remote_exec and "SLURM_ARRAY_TASK_ID" not in os.environ:
        workflow.localrules(*(found.name for found in workflow.rules))
