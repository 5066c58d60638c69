"""Submissions to the GLUE server, as a config asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from supertickets.errors import UserError
from supertickets.experiment.config import CATALOGUE
from supertickets.experiment.parts import UNLABELLED
from supertickets.experiment.settings import training_of, unsearched
from supertickets.experiment.task_files import parts_of

Config = Mapping[str, Any]

#: What the GLUE server wants to be predicted of each task.
SERVER_PARTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("cola", "sst2", "mrpc", "qqp", "stsb", "qnli", "rte", "wnli"), UNLABELLED[:1]),
    "mnli": UNLABELLED,
}


def server_settings(config: Config, model: str, task: str) -> dict[str, Any]:
    """A task's training settings, with its unlabelled parts to predict."""
    parts = parts_of(config["define"]["tasks"][task], config["glue"])
    unlabelled = {part: None for part in parts if part in UNLABELLED}
    return unsearched(config, training_of(config, model, task)) | {"evaluate": unlabelled}


def submitted_tasks(config: Config) -> list[str]:
    """The GLUE server's tasks that the config has.

    Raises:
        UserError: there are none, or a task's labels or files are not those that the server asks for.
    """
    tasks = [task for task in config["tasks"] if task in SERVER_PARTS]
    if not tasks:
        raise UserError(f"a submission needs a task of GLUE ({', '.join(SERVER_PARTS)}); tasks is {config['tasks']}")
    catalogue = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))["tasks"]
    for task in tasks:
        definition = config["define"]["tasks"][task]
        labels, ordered = (entry.get("labels") for entry in (definition, catalogue[task]))
        if labels != ordered:
            raise UserError(
                f"a submission of task {task} needs its labels in the server's order: define.tasks.{task}.labels is "
                f"{labels}; write {ordered}"
            )
        missing = sorted(set(SERVER_PARTS[task]) - set(parts_of(definition, config["glue"])))
        if missing:
            raise UserError(
                f"a submission of task {task} needs its part {missing[0]} (of glue.parts in its definition); glue is "
                f"{config['glue']!r}: no such file there"
            )
    return tasks
