"""Rivals of tickets as a config asks for them: encoders with fewer layers, or smaller ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supertickets.errors import UserError
from supertickets.experiment.grid import group_runs
from supertickets.experiment.paths import RESULTS, RIVALS, run_files
from supertickets.experiment.repeated import main_group

Config = Mapping[str, Any]


def trained_models(config: Config) -> list[str]:
    """All encoders of an experiment, rivals last."""
    return list(dict.fromkeys([*config["models"], *config["rivals"]]))


def rivals_of(config: Config, model: str) -> list[str]:
    """The rivals of a model, which is none of its own."""
    return [rival for rival in config["rivals"] if rival != model]


def require_rivals(config: Config, model: str) -> None:
    """Refuse a comparison with rivals of a model that has none.

    Raises:
        UserError: says what the config lacks.
    """
    if model not in config["models"] or not rivals_of(config, model):
        raise UserError(
            f"{model} has no rivals: name it under models, which is {config['models']}, and others under rivals"
        )


def rivals_files(config: Config) -> list[str]:
    """Comparisons with rivals of all models and tasks."""
    return [
        f"{RESULTS}/{RIVALS.format(model=model, task=task)}.csv"
        for model in config["models"]
        for task in config["tasks"]
    ]


def rival_runs(config: Config, grid: Mapping[str, Any], model: str, task: str) -> list[str]:
    """Records and predictions of the rivals' full models on a task, at the main size."""
    group = main_group(config, model, task)
    full = [run for run in group_runs(grid, group) if run["kind"] == "full"]
    return run_files({**run, "model": rival} for rival in rivals_of(config, model) for run in full)
