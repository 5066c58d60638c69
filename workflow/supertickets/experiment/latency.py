"""Measured latency: where it is, and what it is measured of."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from supertickets.experiment.grid import grid_of, group_runs, scoped
from supertickets.experiment.paths import RESULTS, SHAPE, group_files, ticket_file
from supertickets.experiment.repeated import main_group
from supertickets.experiment.settings import outputs_of

Config = Mapping[str, Any]

#: Table of a model and task below the results folder, ``.csv``, and the machine that measured, ``.json``.
LATENCY = "latency/{model}/{task}"


def latency_files(config: Config) -> list[str]:
    """Tables and machines of all models and tasks."""
    places = [LATENCY.format(model=model, task=task) for model, task in product(config["models"], config["tasks"])]
    return [f"{RESULTS}/{place}.{ending}" for place in places for ending in ("csv", "json")]


def measured_inputs(config: Config, model: str, task: str) -> list[str]:
    """Files that decide which tickets of a model and task are measured: scores and tickets of the main size."""
    group = main_group(config, model, task)
    runs = (run for run in group_runs(scoped(grid_of(config), "main"), group) if run["kind"] != "full")
    return [*group_files("scores", [group]), *(f"{RESULTS}/{ticket_file(run)}" for run in runs)]


def latency_settings(config: Config) -> dict[str, Any]:
    """How latency is measured, and whether on a GPU."""
    return {**config["latency"], "device": config["device"]}


def axis_of(config: Config) -> dict[str, Any]:
    """The horizontal axis of curves (``figures.x``), with what it is computed from."""
    axis = {"x": config["figures"]["x"]}
    if axis["x"] == "arithmetic":
        outputs = {task: outputs_of(config, task) for task in config["tasks"]}
        axis |= {"length": max(config["latency"]["lengths"]), "outputs": outputs}
    return axis


def axis_files(config: Config) -> list[str]:
    """Files that the horizontal axis of curves is read from."""
    shapes = [f"{RESULTS}/{SHAPE.format(model=model)}" for model in config["models"]]
    return {"weight": [], "arithmetic": shapes, "latency": latency_files(config)}[config["figures"]["x"]]
