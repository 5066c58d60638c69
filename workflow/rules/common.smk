# What the rules share: the checked config, fingerprints of code, params, and what jobs ask of a machine.
#
# Parsed at every start, so nothing here imports torch, transformers or pandas or touches the network.

import atexit
import gc
import os
import re
import shlex
import signal
import sys
import tempfile
from functools import cache
from math import ceil
from pathlib import Path

# Not workflow.basedir, which is another project's where this workflow is used as a module.
WORKFLOW = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
sys.path.insert(0, str(WORKFLOW))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from supertickets.errors import UserError, reported
from supertickets.experiment import resources
from supertickets.experiment.config import check_config, without_defaults_of_other_tasks
from supertickets.experiment.grid import grid_of, main_size
from supertickets.experiment.model_files import model_files
from supertickets.experiment.multi_task import of_single, shared_tasks
from supertickets.experiment.paths import TRIAL, drawn_kind, kind_and_draw, size_from, tasks_of
from supertickets.experiment.rivals import trained_models
from supertickets.experiment.settings import choices_of, metrics_of, separators_of, training_of, unsearched
from supertickets.experiment.shown import everything, files, shown_grid
from supertickets.experiment.task_files import inputs, is_local
from supertickets.files import canonical_json
from supertickets.jobs.benchmark import measure_warm_jobs
from supertickets.jobs.clock import from_the_future, now_in
from supertickets.jobs.environment import set_environment
from supertickets.jobs.fingerprint import code_of
from supertickets.jobs.finished import give_up_deleted
from supertickets.jobs.slurm import expect_answers
from supertickets.jobs.versions import other_versions

measure_warm_jobs(set_environment(WORKFLOW))
# A plan of thousands of jobs is millions of objects that stay; looking for garbage among them takes a sixth of the
# time. And at the end a tenth: without it they go with the process, all at once.
gc.set_threshold(200_000, 50, 100)
atexit.register(gc.freeze)


def user_errors(function):
    """A function whose user errors are reported as Snakemake reports its own."""

    def called(*args):
        try:
            return function(*args)
        except UserError as error:
            raise WorkflowError(str(error)) from None

    return called


config = user_errors(check_config)(
    without_defaults_of_other_tasks(config, workflow.config_settings.overwrite_config), workflow.configfiles
)

DEFINED = config["define"]
GRID = grid_of(config)
TASKS = {
    task: DEFINED["tasks"][task]
    for task in (*config["tasks"], *config["multi_task"]["tasks"], *config["adaptation"]["tasks"])
}
CHOICES = choices_of(config["search"])


def one_of(values):
    """A wildcard pattern that matches these values only."""
    return "|".join(re.escape(str(value)) for value in values)


wildcard_constraints:
    model=one_of(DEFINED["models"]),
    task=one_of(DEFINED["tasks"]),
    train_size=r"\d+|0\.\d+|all",
    seed=r"\d+",
    kind=one_of(
        drawn_kind(kind, draw + 1)
        for kind, count in {"winning": 1, "random": 1, **GRID["draws"]}.items()
        for draw in range(count)
    ),
    ratio=r"[01]\.\d\d",
    weights="fine_tuned|pretrained",
    which="full|super",  # the best model of these


def work(function, loaded=None):
    """Params of a rule: the function that does its work, package.module:function, and a fingerprint of its code.

    `loaded` gives the modules that a job loads by their names, from the wildcards.
    """
    if loaded is None:
        return {"work": function, "code": code_of(function)}
    return {"work": function, "code": lambda wildcards: code_of(function, *loaded(wildcards))}


def options(values):
    """Options of a command line. None values are omitted; anything that is not a string is written as JSON."""
    texts = {key: value if isinstance(value, str) else canonical_json(value) for key, value in values.items()}
    given = {key: text for key, text in texts.items() if values[key] is not None}
    return " ".join(f"--{key.replace('_', '-')} {shlex.quote(text)}" for key, text in given.items())


#: Files that not every job of a rule has, by the names of their options.
OPTIONAL = {"input": ("previous", "ticket", "chosen", "finetuned", "teacher"), "output": ("trained",)}


def get_optional_files(wildcards, input, output):
    """Such files of a job, for the command line.

    Snakemake does not record a param that is made from a rule's files: keeping weights or not reruns nothing.
    """
    given = {"input": input, "output": output}
    paths = {name: given[part].get(name) for part, names in OPTIONAL.items() for name in names}
    return options({name: str(path) for name, path in paths.items() if path})


def get_training_options(wildcards, input, output):
    """The same and how often a checkpoint is written, which is not recorded either."""
    return f"{get_optional_files(wildcards, input, output)} --checkpoint-minutes {config['checkpoint_minutes']}"


def kept(path):
    """Weights are deleted after their last use, unless the config keeps them."""
    return path if config["keep_weights"] else temp(path)


def if_kept(**paths):
    """Weights that no other step reads: not even written, unless the config keeps them."""
    return paths if config["keep_weights"] else {}


def trial(suffix):
    """Path pattern below the folder of one model, task, size and seed."""
    return f"results/{TRIAL}/{suffix}"


def get_run(wildcards, name="full", ratio=0.0):
    """A run's identity as JSON, from the wildcards of its path."""
    kind, draw = kind_and_draw(name)
    run = {
        "model": wildcards.model,
        "task": wildcards.task,
        "train_size": size_from(wildcards.train_size),
        "seed": int(wildcards.seed),
        "kind": kind,
        "ratio": ratio,
        "draw": draw,
    }
    return canonical_json(run)


def trained_size(wildcards):
    """The training size of a job; the main one where its path has none."""
    return size_from(str(wildcards.get("train_size", main_size(config["train_sizes"]))))


def settings_at(wildcards):
    """Settings of a model's trainings on a task at the size of a job."""
    return training_of(config, wildcards.model, wildcards.task, trained_size(wildcards))


def get_settings(wildcards):
    """Settings of a model's trainings on a task as JSON, those that a search chooses left out.

    Equal settings are equal text, whatever the config's order.
    """
    return canonical_json(unsearched(config, settings_at(wildcards)))


def get_first_metric(wildcards):
    """The metric that chooses super tickets, and that is compared."""
    return metrics_of(config, wildcards.task)[0]


def metric_modules(names):
    """Modules of some metrics."""
    return [f"evaluation.metrics.{name}" for name in names]


def metric_modules_of(tasks):
    """Modules of the metrics of some tasks."""
    return metric_modules(sorted({metric for task in tasks for metric in metrics_of(config, task)}))


def judged_by(wildcards, settings=settings_at):
    """Modules that a training with these settings loads to tell its best epoch, where that counts."""
    best = settings(wildcards).get("best_by")
    return metric_modules([best["metric"]]) if best else []


# Resources: memory, time and GPUs, from model, data and settings; half more with every attempt. A profile overrides any
# of it under set-resources, by rule.

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


def grown(attempt, demand):
    """Half more with every attempt: many are repeated because they were cancelled, and those continue."""
    return ceil(demand * (1 + attempt) / 2)


def training_demand(wildcards):
    """The most epochs and the largest batch of a training, and examples trained on and predicted, by task."""
    alone = "task" in wildcards.keys() or of_single(config, wildcards.shared)
    tasks = [wildcards.task] if "task" in wildcards.keys() else tasks_of(wildcards.shared)
    size = trained_size(wildcards)
    counts = [(resources.trained_examples(examples_of(task), size), predicted_examples(task)) for task in tasks]
    return resources.largest_settings(config, wildcards.model, tasks if alone else None, size), counts


def get_training_memory(wildcards, attempt):
    """Memory of a training, in MB."""
    most, counts = training_demand(wildcards)
    demand = resources.memory_mb(
        weights_mb(wildcards.model), sum(map(sum, counts)), most["batch_size"], config["max_length"], bool(GPUS)
    )
    return grown(attempt, demand)


def get_training_minutes(wildcards, attempt):
    """Time of a training, in minutes; importance takes less."""
    most, counts = training_demand(wildcards)
    passes = sum(3 * most["epochs"] * trained + predicted for trained, predicted in counts)
    weights = weights_mb(wildcards.model)
    return grown(attempt, resources.minutes(weights, passes, config["max_length"], config["threads"], bool(GPUS)))


def get_copying_memory(wildcards, attempt):
    """Memory of a job that copies an encoder's weights, in MB."""
    return grown(attempt, resources.copying_mb(weights_mb(wildcards.model)))


def get_table_memory(wildcards, attempt):
    """Memory of a job that reads and writes all examples of a task, in MB."""
    return grown(attempt, resources.table_mb(sum(examples_of(wildcards.task).values())))


def get_table_minutes(wildcards, attempt):
    """Time of the same, in minutes."""
    return grown(attempt, resources.table_minutes(sum(examples_of(wildcards.task).values())))


def get_judging_minutes(wildcards, attempt):
    """Time of a job that scores or compares the runs of one task, or on all tasks of a model, in minutes."""
    tasks = [wildcards.task] if "task" in wildcards.keys() else [*shared_tasks(config), *config["adaptation"]["tasks"]]
    draws = GRID["draws"].get(wildcards.get("kind"), 1)
    runs = len(config["seeds"]) * (1 + resources.most_ratios(config) * draws)
    predicted = sum(map(predicted_examples, tasks))
    return grown(attempt, resources.judging_minutes(runs * predicted))


# Accidents: closed terminals, clocks that are set back, folders that cannot be written, other versions, full disks.


def hang_up(number, frame):
    """End as by Ctrl-C, which the terminal sends to the jobs too, if this process leads a group of its own."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


# A closed terminal ends a workflow, unless it was started to outlast the terminal (nohup).
if workflow.is_main_process and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
    signal.signal(signal.SIGHUP, hang_up)

# Slurm's plugin would wait for ever for a controller that does not answer.
if workflow.is_main_process:
    expect_answers(WorkflowError)


def check_times():
    """Refuse to make anything of files dated in the future: jobs would fail, each when it is done.

    The clock is that of the file system of results, for files on other ones too.
    """
    results = Path("results")
    inputs = (Path(path) for job in workflow.dag.needrun_jobs() for path in job.input)
    late = from_the_future(inputs, now_in(results if results.is_dir() else Path()))
    if late:
        places = [results, *(path for path in late if not path.is_relative_to(results))]
        named = " ".join(shlex.quote(str(path)) for path in places if path.exists())
        count = f"{len(late)} files are" if len(late) > 1 else "1 file is"
        raise WorkflowError(
            f"{count} dated in the future, as when a clock is set back, the first of them {late[0]}: what"
            " is made from them would count as failed. Set the clock right, or date all of them now:"
            f" touch .now && find {named} -exec touch -h -r .now {{}} + && rm .now"
        )


def check_writable():
    """One error before the first job, not one for each, where results cannot be written."""
    for folder in [Path("results"), *Path("results").glob("*/")]:
        if folder.exists() and not os.access(folder, os.W_OK):
            raise WorkflowError(f"{folder}: not writable: a read-only file system, or a folder of somebody else")


def name_other_versions():
    """Say which results were made with other versions of libraries.

    The full models' records are enough: every other run was trained after its full model.
    """
    older, differences = other_versions(Path("results/runs").glob("*/*/*/*/full/record.json"))
    if older:
        logger.warning(
            f"{older} full models, and what follows from them, were made with {differences}. They are kept;"
            " to make all that is asked for again: --forcerun tokenise"
        )


def report_full_disk():
    """Logs are on the same disk: where it is full to the end, no job has had room to say it."""
    try:
        with tempfile.TemporaryFile(dir="results", buffering=0) as probe:
            probe.write(bytes(2**20))
            os.fsync(probe.fileno())
    except OSError as error:
        logger.error(f"results: {error.strerror}")


def report_errors():
    """What failed jobs say, once more and last: Snakemake has shown it below whole commands, while others ran."""
    failed = {Path(log) for job in workflow.scheduler.failed for log in job.log}
    for message, logs in reported(failed).items():
        others = f" and {len(logs) - 1} more" if len(logs) > 1 else ""
        logger.error(f"{message} ({logs[0]}{others})")


def run_groups_in_one_process():
    """Have the Snakemake of a cluster job run all jobs of its group itself. Called when all rules are known.

    Slurm's plugin would start one more, as a job step, for each job of the group. In an array it has to: that is how
    each task gets to know what to do.
    """
    if workflow.remote_exec and "SLURM_ARRAY_TASK_ID" not in os.environ:
        workflow.localrules(*(found.name for found in workflow.rules))
