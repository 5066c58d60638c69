"""Fine-tuned models of the user's own, which take the place of full models that the workflow would train."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from supertickets.errors import UserError
from supertickets.experiment.exports import labels_of
from supertickets.experiment.grid import finetuned_models
from supertickets.experiment.task_files import is_there
from supertickets.files import read_json

Config = Mapping[str, Any]


def class_order(fields: Any, labels: Sequence[str]) -> list[int]:
    """The class of a fine-tuned model that each of a task's labels is.

    Args:
        fields: content of the model's ``config.json``. Without ``id2label`` transformers takes it for a model of the
            classes LABEL_0 and LABEL_1.
        labels: of the task, in its order; a single one, which is the value of a regression, has any name.

    Returns:
        Indices, one for each label.

    Raises:
        UserError: the model has other classes. The message continues from the name of the model.
    """
    names = fields.get("id2label", {"0": "LABEL_0", "1": "LABEL_1"}) if isinstance(fields, Mapping) else None
    if not isinstance(names, Mapping) or set(names) != {str(number) for number in range(len(names))}:
        raise UserError(f"id2label of its config.json is {names!r:.80}: a name for each class, from 0, is needed")
    classes = [str(names[str(number)]) for number in range(len(names))]
    if len(labels) == 1 and len(classes) == 1:
        return [0]
    if sorted(classes) != sorted(labels):
        what = f"classes are {', '.join(classes):.200}"
        needed = f"labels {', '.join(labels):.200}" if len(labels) > 1 else "one value, a regression"
        raise UserError(f"its {what}, and the task has {needed}; give the same names in id2label of its config.json")
    return [classes.index(label) for label in labels]


def wrong_finetuned(config: Config) -> Iterator[str]:
    """Fine-tuned models that do not exist, or do not fit the tasks of the experiment."""
    tasks = dict.fromkeys([*config["tasks"], *config["multi_task"]["tasks"]])
    for model in finetuned_models(config):
        folder = config["define"]["models"][model]["finetuned"]
        key = f"define.models.{model}.finetuned is {folder!r}"
        if not is_there(Path(folder) / "config.json"):
            yield f"{key}: no folder of a model, which has a config.json"
            continue
        try:
            fields = read_json(Path(folder) / "config.json")
        except UserError:
            yield f"{key}: its config.json cannot be read as JSON"
            continue
        if config["adaptation"]["tasks"]:
            yield f"{key}: adaptation starts from encoders that the workflow trains; leave one of them out"
        for task in tasks:
            if task not in config["define"]["tasks"]:
                continue  # which is said elsewhere
            try:
                class_order(fields, labels_of(config, task))
            except UserError as error:
                yield f"{key}, for task {task}: {error}"
