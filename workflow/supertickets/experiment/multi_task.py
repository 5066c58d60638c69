"""Multi-task training as a config asks for it: tasks, tickets, settings, and what each step reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from supertickets.errors import UserError
from supertickets.experiment.grid import main_size, multi_task_ways, ratios_of
from supertickets.experiment.modes import KIND_OF_MODE
from supertickets.experiment.paths import (
    ENCODED,
    RESULTS,
    SUBSET,
    group_files,
    run_files,
    shared_name,
    tasks_of,
    ticket_file,
)
from supertickets.experiment.settings import (
    PUBLISHED,
    asked_of,
    file_order,
    metrics_of,
    of_steps,
    outputs_of,
    training_of,
)

Config = Mapping[str, Any]

#: Keys of training that multi-task training does not have: each head has its own dropout, and the last epoch counts.
OF_SINGLE_TASKS = ("classifier_dropout", "model_epoch", "importance_epoch")

#: Sampler of a training on one task; any would give the same batches.
ALONE = {"sampler": "proportional", "temperature": 1, "cap": 1, "untouched": "frozen"}


def shared_tasks(config: Config) -> list[str]:
    """The tasks of multi-task training; none where it is switched off."""
    return (config["multi_task"]["tasks"] or config["tasks"]) if config["multi_task"]["modes"] else []


def trials_of(config: Config, shared: str, model: str, seed: int) -> list[dict[str, Any]]:
    """The trial of each task at the main size: model, train_size, seed and task.

    Args:
        config: of the experiment.
        shared: names the tasks (:func:`~supertickets.experiment.paths.shared_name`).
        model, seed: of the training.
    """
    size = main_size(config["train_sizes"])
    return [{"model": model, "train_size": size, "seed": seed, "task": task} for task in tasks_of(shared)]


def given_ratios(config: Config, model: str) -> dict[str, float]:
    """The ratio of a task's super ticket, by task, where the config gives it."""
    given = config["multi_task"]["ratios"]
    named = {task: given.get(f"{model}/{task}", given.get(task)) for task in shared_tasks(config)}
    return {task: ratio for task, ratio in named.items() if ratio is not None}


def ticket_inputs(config: Config, shared: str, model: str, mode: str, seed: int) -> list[str]:
    """Selections, and the tickets that one of them may have chosen."""
    if mode == "full":
        return []
    ratios = given_ratios(config, model)
    files = []
    for trial in trials_of(config, shared, model, seed):
        given = ratios.get(trial["task"])
        if given is None:
            files += group_files("selections", [trial | {"kind": "winning"}])
        asked = ratios_of(config["ratios"], model) if given is None else [given] * (given > 0)
        kind = KIND_OF_MODE[mode]
        files += [f"{RESULTS}/{ticket_file(trial | {'kind': kind, 'ratio': ratio, 'draw': 1})}" for ratio in asked]
    return files


def example_files(config: Config, shared: str, model: str, seed: int) -> dict[str, dict[str, str]]:
    """The files that each task is trained from, ``encoded`` and ``subset``, by task."""
    return {
        trial["task"]: {
            "encoded": f"{RESULTS}/{ENCODED.format(**trial)}",
            "subset": f"{RESULTS}/{SUBSET.format(**trial)}",
        }
        for trial in trials_of(config, shared, model, seed)
    }


def task_settings(config: Config, shared: str, model: str, seed: int) -> dict[str, dict[str, Any]]:
    """The files and the training settings of each task, by task."""
    files = example_files(config, shared, model, seed)
    consecutive = _training(config, shared, model)["batches"] == "consecutive"
    orders = {task: file_order(config, task) if consecutive else {} for task in files}
    return {task: {**files[task], "settings": training_of(config, model, task) | orders[task]} for task in files}


def outputs_by_task(config: Config, shared: str) -> dict[str, int]:
    """Number of outputs of each task."""
    return {task: outputs_of(config, task) for task in tasks_of(shared)}


def multi_task_settings(config: Config, shared: str, model: str) -> dict[str, Any]:
    """How one encoder is trained on all tasks; arguments as of :func:`trials_of`."""
    asked = ALONE if of_single(config, shared) else config["multi_task"]
    return {**{key: asked[key] for key in ALONE}, **of_steps(_training(config, shared, model))}


def of_single(config: Config, shared: str) -> bool:
    """Whether an encoder is a single task's, which new tasks continue from, with the settings of this task."""
    return shared in config["adaptation"]["from_single"]


def _training(config: Config, shared: str, model: str) -> dict[str, Any]:
    """Keys of training of one encoder for all tasks, without those of single tasks."""
    published = PUBLISHED if config["published_settings"] else {}
    training = {**config["training"], **published, **config["multi_task"]["training"]}
    if of_single(config, shared):
        training = asked_of(config, model, shared)
    return {key: value for key, value in training.items() if key not in OF_SINGLE_TASKS}


def trained_modes(config: Config, asked: Iterable[str]) -> list[str]:
    """The modes that the config trains, of those that something asks for."""
    return [mode for mode in asked if mode in config["multi_task"]["modes"]]


def require_mode(config: Config, mode: str) -> str:
    """A mode that something shows.

    Raises:
        UserError: the config does not train it.
    """
    modes = config["multi_task"]["modes"]
    if mode not in modes:
        raise UserError(f"multi_task.modes is {modes}: this needs {mode!r} among them")
    return mode


def multi_task_grid(config: Config, model: str) -> dict[str, Any]:
    """Axes of the grid of the ways in which a model is trained on the tasks."""
    return {
        "shared": shared_name(shared_tasks(config)),
        "model": model,
        "train_size": main_size(config["train_sizes"]),
        "seeds": config["seeds"],
        "modes": config["multi_task"]["modes"],
        "then_single": trained_modes(config, config["multi_task"]["then_single"]),
        "ratios": given_ratios(config, model),
        "metrics": {task: metrics_of(config, task) for task in shared_tasks(config)},
    }


def multi_task_inputs(config: Config, model: str) -> list[str]:
    """Selections, records and predictions of all these ways.

    Raises:
        UserError: the config does not train the mode that all others are compared with.
    """
    require_mode(config, "full")
    grid = multi_task_grid(config, model)
    files: list[str] = []
    runs: list[dict[str, Any]] = []
    for task in shared_tasks(config):
        given = grid["ratios"].get(task)
        if given is None:
            group = {"model": model, "task": task, "train_size": grid["train_size"], "kind": "winning"}
            files += group_files("selections", [group])
        for ratio in ratios_of(config["ratios"], model) if given is None else [given]:
            runs += [
                run
                for members in multi_task_ways(grid, task, [ratio] * len(config["seeds"]))[1].values()
                for run in members
            ]
    return [*files, *dict.fromkeys(run_files(runs))]
