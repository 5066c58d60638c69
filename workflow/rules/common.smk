# What the rules share: the checked config, wildcards, fingerprints of code and params.
#
# All these files are parsed at every start, so none imports torch, transformers or pandas or touches the network.

import atexit
import gc
import os
import re
import shlex
import sys
from pathlib import Path

# Not workflow.basedir, which is another project's where this workflow is used as a module.
WORKFLOW = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
sys.path.insert(0, str(WORKFLOW))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from supertickets.errors import UserError
from supertickets.experiment.config import check_config, without_defaults_of_others
from supertickets.experiment.grid import grid_of, main_size
from supertickets.experiment.model_files import model_files
from supertickets.experiment.paths import TRIAL, drawn_kind, kind_and_draw
from supertickets.experiment.settings import choices_of, metrics_of, training_of, unsearched
from supertickets.experiment.shown import files
from supertickets.experiment.train_sizes import size_from
from supertickets.files import canonical_json
from supertickets.jobs.benchmark import measure_warm_jobs
from supertickets.jobs.environment import set_environment
from supertickets.jobs.fingerprint import code_of
from supertickets.jobs.wakes import wake_once_at_a_time

measure_warm_jobs(set_environment(WORKFLOW))
wake_once_at_a_time()
# A plan of thousands of jobs is millions of objects. Collecting garbage among them would cost a sixth of the time, and
# freeing them one by one at exit a tenth.
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
    without_defaults_of_others(
        config, workflow.config_settings.overwrite_config, any(map(DEFAULT.samefile, workflow.configfiles))
    ),
    workflow.configfiles,
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
    """Optional files of a training, and its checkpoint interval; Snakemake records neither."""
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
    """Modules that a training with these settings loads to find its best epoch, where that counts."""
    best = settings(wildcards).get("best_by")
    return metric_modules([best["metric"]]) if best else []
