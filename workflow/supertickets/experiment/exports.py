"""Exports: what they are made from, and where models and data are from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supertickets.errors import UserError
from supertickets.experiment.task_files import resolved

Config = Mapping[str, Any]


def require_trained(config: Config, model: str, task: str, what: str) -> None:
    """Refuse what is made of the runs of a model or task that the experiment does not have.

    Args:
        config: of the experiment.
        model, task: their names.
        what: is made, for the message: ``an export``.

    Raises:
        UserError: names it, and those that the experiment has.
    """
    for key, name in (("models", model), ("tasks", task)):
        if name not in config[key]:
            raise UserError(f"{what} of {model} on {task} needs {name} among {key}, which is {config[key]}")


def labels_of(config: Config, task: str) -> list[str]:
    """Names of a task's outputs: its classes, or the task itself for the value of a regression."""
    definition = config["define"]["tasks"][task]
    return list(definition["labels"]) if definition["type"] == "classification" else [task]


def has_pairs(config: Config, task: str) -> bool:
    """Whether a task's examples are pairs of texts."""
    files = resolved(config["define"]["tasks"][task], config["glue"])["files"]
    return any("text_pair" in file["columns"] for file in files)


def origins_of(config: Config, model: str, task: str) -> dict[str, dict[str, str]]:
    """Where an encoder and a task's data are from, in words, and their licences where the catalogue or config says.

    Of a model whose full model the user gives, ``full`` says so.
    """
    define = config["define"]
    entries = {"model": define["models"][model], "data": define["tasks"][task]}
    local = "glue" in entries["data"] and config["glue"] != "hub"
    return {
        what: {"source": "the official files of GLUE" if what == "data" and local else _source(entry, define)}
        | ({"licence": entry["licence"]} if "licence" in entry else {})
        | ({"full": "fine-tuned elsewhere"} if "finetuned" in entry else {})
        for what, entry in entries.items()
    }


def _source(entry: Mapping[str, Any], define: Mapping[str, Any]) -> str:
    """Where an entry of the catalogue, or of ``define``, is from."""
    if "package" in entry:
        return f"the Python package {entry['package']} {define['packages'][entry['package']]['version']}"
    if "hub" not in entry:
        return "files of the user's own"
    hub = entry["hub"] if isinstance(entry["hub"], Mapping) else {"dataset": entry["hub"], **entry}
    name = f", {hub['name']}" if "name" in hub else ""
    return f"{hub['dataset']}{name} on the hub, commit {hub['revision'][:12]}"
