"""Trainings that are repeated because their weights are not kept: the best full model, and the best super ticket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supertickets.experiment.grid import grid_of, group_runs, main_size, ratios_of, scoped, selection_of
from supertickets.experiment.paths import RESULTS, SUBSET, group_files, ticket_file

Config = Mapping[str, Any]


def main_group(config: Config, model: str, task: str) -> dict[str, Any]:
    """The winning tickets of a model and task at the main size."""
    return {"model": model, "task": task, "train_size": main_size(config["train_sizes"]), "kind": "winning"}


def repeated_grid(config: Config, model: str) -> dict[str, Any]:
    """Axes of the grid of a model's winning tickets: seeds, ratios and draws."""
    return {"seeds": config["seeds"], "ratios": ratios_of(config["ratios"], model), "draws": {"winning": 1}}


def selected_grid(config: Config, model: str) -> dict[str, Any]:
    """Axes of the grid of a model's winning tickets, and how super tickets are chosen, if that is unusual."""
    return repeated_grid(config, model) | selection_of(config)


def repeated_inputs(config: Config, model: str, task: str) -> list[str]:
    """Files that a repeated training is chosen by and made from."""
    group = main_group(config, model, task)
    tickets = [run for run in group_runs(scoped(grid_of(config), "main"), group) if run["kind"] != "full"]
    return [
        *group_files("scores", [group]),
        *group_files("selections", [group]),
        *(f"{RESULTS}/{ticket_file(run)}" for run in tickets),
        *(f"{RESULTS}/{SUBSET.format(**group, seed=seed)}" for seed in config["seeds"]),
    ]
