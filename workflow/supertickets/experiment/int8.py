"""Full models and super tickets in int8: where their predictions are, and what they are made from."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from supertickets.experiment.grid import grid_of, group_runs, scoped
from supertickets.experiment.paths import RESULTS, SUBSET, run_files, ticket_file
from supertickets.experiment.repeated import main_group

Config = Mapping[str, Any]

#: Comparison of a model and task below the results folder, without the suffix.
INT8 = "int8/{model}/{task}"
#: What is predicted in int8: the full model, and for each seed the super ticket that the other seeds chose.
FULL, SUPER = WHICH = ("full", "super")


def int8_folder(run: Mapping[str, Any]) -> str:
    """Folder of the predictions of a model (model, task, seed, and ``int8``: one of :data:`WHICH`)."""
    return f"{INT8}/seed{{seed}}/{{int8}}".format(**run)


def asks_int8(config: Config) -> bool:
    """Whether an experiment asks for int8."""
    return "int8" in config["latency"]["backends"]


def int8_files(config: Config) -> list[str]:
    """Comparisons of all models and tasks, where the experiment asks for them."""
    places = product(config["models"], config["tasks"]) if asks_int8(config) else ()
    return [f"{RESULTS}/{INT8.format(model=model, task=task)}.csv" for model, task in places]


def int8_inputs(config: Config, model: str, task: str, which: str, seed: int) -> list[str]:
    """Files that a model is chosen by and trained from: its run for the full model, all runs for a super ticket."""
    runs = [*group_runs(scoped(grid_of(config), "main"), main_group(config, model, task))]
    if which == FULL:
        runs = [run for run in runs if run["kind"] == "full" and run["seed"] == seed]
    own = [run for run in runs if run["kind"] != "full" and run["seed"] == seed]
    subset = SUBSET.format(**main_group(config, model, task), seed=seed)
    return [*run_files(runs), *(f"{RESULTS}/{ticket_file(run)}" for run in own), f"{RESULTS}/{subset}"]
