"""The published numbers that an experiment's results can be compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from supertickets.errors import UserError
from supertickets.experiment.config import CATALOGUE, WORKFLOW
from supertickets.experiment.grid import main_size
from supertickets.experiment.settings import limits_of

Config = Mapping[str, Any]

#: The paper's numbers with their sources.
PUBLISHED = WORKFLOW / "published.yaml"


def published_numbers(config: Config, tasks: Sequence[str]) -> dict[str, Any]:
    """Published numbers by model, for results on some tasks.

    They are of the catalogue's own models and tasks, all of their training examples and all of the development sets.
    """
    limits = [limits_of(config, task)["validation"] for task in tasks]
    if main_size(config["train_sizes"]) != "all" or any(limit is not None for limit in limits):
        return {}
    catalogue, published = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (CATALOGUE, PUBLISHED))
    named = {"models": config["models"], "tasks": tasks}
    own = {
        part: [name for name in names if config["define"][part][name] == catalogue[part].get(name)]
        for part, names in named.items()
    }
    return {
        name: published[name]
        for name in own["models"]
        if name in published and {*own["tasks"]} & {*published[name]["tasks"]}
    }


def require_published(config: Config) -> None:
    """Refuse to show published numbers beside results that they are not of.

    Raises:
        UserError: says which models, tasks and sizes they are of.
    """
    if published_numbers(config, config["tasks"]):
        return
    published = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))
    tasks = ", ".join(dict.fromkeys(task for numbers in published.values() for task in numbers["tasks"]))
    raise UserError(
        f"published numbers are of the catalogue's models {', '.join(published)} and tasks {tasks}, of all "
        f"examples; this config has models {config['models']}, tasks {config['tasks']}, train_sizes "
        f"{config['train_sizes']} (all has to be the first) and evaluate.validation "
        f"{config['evaluate']['validation']} (has to be all)"
    )
