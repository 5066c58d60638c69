"""Adaptation as a config asks for it: new tasks, continued from encoders of several tasks or of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supertickets.errors import UserError
from supertickets.experiment.grid import adaptation_ways
from supertickets.experiment.multi_task import shared_tasks, trained_modes, trials_of
from supertickets.experiment.paths import IMPORTANCE, RESULTS, run_files, starts_name
from supertickets.experiment.settings import metrics_of, outputs_of, pruning_of

Config = Mapping[str, Any]


def starts_of(config: Config) -> list[tuple[str, str]]:
    """Pairs of an encoder's mode and the ticket that a new task takes of it: the full one without tickets."""
    asked = config["adaptation"]
    return [
        (mode, ticket)
        for mode in trained_modes(config, asked["modes"])
        for ticket in (["full"] if mode == "full" else asked["tickets"])
    ]


def single_starts(config: Config) -> list[tuple[str, str, str]]:
    """A task, mode and ticket for each encoder of a single task that new ones continue from.

    The one ticket is all that any task holds, and the nearest.
    """
    asked = config["adaptation"]
    tickets = dict.fromkeys("union" if ticket == "nearest" else ticket for ticket in asked["tickets"])
    return [
        (task, mode, ticket)
        for task in asked["from_single"]
        for mode in asked["modes"]
        if mode != "union"  # which is super
        for ticket in (["full"] if mode == "full" else tickets)
    ]


def adaptation_name(config: Config) -> str:
    """The folder of scores and comparisons (:func:`~supertickets.experiment.paths.starts_name`)."""
    return starts_name(shared_tasks(config), config["adaptation"]["from_single"])


def shows_adaptation(config: Config) -> bool:
    """Whether there are new tasks, and encoders of multi-task training or of single tasks that they continue from."""
    several = len(shared_tasks(config)) > 1 and bool(starts_of(config))
    return bool(config["adaptation"]["tasks"]) and (several or bool(single_starts(config)))


def importance_file(config: Config, trial: Mapping[str, Any]) -> str:
    """The scores that winning tickets of a trial are cut by."""
    return f"{RESULTS}/{IMPORTANCE.format(**trial, weights=pruning_of(config, 'winning')['weights'])}"


def compared_importance(config: Config, trial: Mapping[str, Any], ticket: str) -> dict[str, str]:
    """Importance of a new task and of those of the encoder, by task; empty where no ticket depends on it.

    Args:
        config: of the experiment.
        trial: model, task, train_size and seed of the new task, and ``shared``, which names the tasks of the encoder.
        ticket: which of the encoder it has.
    """
    if ticket != "nearest":
        return {}
    trials = [trial, *trials_of(config, trial["shared"], trial["model"], int(trial["seed"]))]
    return {each["task"]: importance_file(config, each) for each in trials}


def adaptation_ticket_settings(config: Config, trial: Mapping[str, Any], ticket: str) -> dict[str, Any]:
    """What decides which ticket a new task holds; arguments as of :func:`compared_importance`."""
    settings: dict[str, Any] = {"outputs": outputs_of(config, trial["task"])}
    if ticket == "nearest":
        method = pruning_of(config, "winning")["importance"]
        settings |= {"method": method, "importance": compared_importance(config, trial, ticket)}
    return settings


def adaptation_grid(config: Config, model: str) -> dict[str, Any]:
    """Axes of the grid of a model's trainings on new tasks."""
    asked = config["adaptation"]
    return {
        "shared": adaptation_name(config),
        "model": model,
        "train_sizes": asked["train_sizes"],
        "seeds": config["seeds"],
        "starts": starts_of(config),
        "single_starts": single_starts(config),
        "scored": asked["scored"],
        "metrics": {task: metrics_of(config, task) for task in asked["tasks"]},
    }


def adaptation_inputs(config: Config, model: str) -> list[str]:
    """Records and predictions of these trainings.

    Raises:
        UserError: the config has no new tasks, or no encoder to continue from.
    """
    asked = config["adaptation"]
    if not asked["tasks"]:
        raise UserError("adaptation.tasks is empty: name the new tasks")
    if not starts_of(config) and not single_starts(config):
        raise UserError(
            f"adaptation.modes is {asked['modes']} and multi_task.modes is {config['multi_task']['modes']}:"
            " they have none in common"
        )
    ways = adaptation_ways(adaptation_grid(config, model))
    return run_files(run for _, by_way in ways for runs in by_way.values() for run in runs)


def new_importance(config: Config, model: str) -> list[str]:
    """Importance of the new tasks, where there are tickets that one may be the nearest to.

    It is computed with their trainings, whatever they hold: their fine-tuned weights are deleted, and would be trained
    again for it later.
    """
    if all(mode == "full" for mode, _ in starts_of(config)):  # one task's ticket has no other to choose from
        return []
    grid = adaptation_grid(config, model)
    trials = [trial | {"seed": seed} for trial, _ in adaptation_ways(grid) for seed in grid["seeds"]]
    return [importance_file(config, trial) for trial in trials]
