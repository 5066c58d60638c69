"""What a config says of one model, task or kind of tickets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .task_files import FURTHER, parts_of

Entry = dict[str, Any]


def pruning_of(config: Mapping[str, Any], kind: str) -> Entry:
    """How tickets of a kind are scored and cut: the settings of ``pruning``, and what the kind itself says.

    What a kind does not use is fixed, so that another setting of it changes nothing.
    """
    how = {**config["pruning"], **config["define"]["kinds"][kind]}
    if how["like"] != "winning":
        how["steps"] = 1
    if how["like"] in ("random", "random_with_replacement"):
        how |= {"importance": "random", "weights": "fine_tuned"}
    return how


def training_of(config: Mapping[str, Any], model: str, task: str) -> Entry:
    """Settings of the trainings of a model on a task.

    Those of ``training``, then the published ones where they are asked for and known, then the overrides of the model,
    of the task, and of both; and what the task itself says.
    """
    limits = {part: None if limit == "all" else limit for part, limit in config["evaluate"].items()}
    parts = parts_of(config["define"]["tasks"][task], config["glue"])
    limits |= {part: limits["validation"] for part in FURTHER if part in parts}
    overrides = config["training_overrides"]
    return {
        **config["training"],
        **(_published(config, model, task) if config["published_settings"] else {}),
        **overrides.get(model, {}),
        **overrides.get(task, {}),
        **overrides.get(f"{model}/{task}", {}),
        "evaluate": limits,
        "outputs": outputs_of(config, task),
        "threads": config["threads"],
        "device": config["device"],
        "precision": config["precision"],
    }


def _published(config: Mapping[str, Any], model: str, task: str) -> Entry:
    """Epochs and dropout before the task head of the published code, where it has the task."""
    published = dict(config["define"]["tasks"][task].get("published", {}))
    size = config["define"]["models"][model].get("size")
    epochs = published.pop("epochs", {}).get(size)
    return published if epochs is None else published | {"epochs": epochs}


def outputs_of(config: Mapping[str, Any], task: str) -> int:
    """Number of classes of a task, 1 for regression."""
    definition = config["define"]["tasks"][task]
    return len(definition["labels"]) if definition["type"] == "classification" else 1
