"""Settings of one model, task or kind of tickets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from supertickets.experiment.grid import Size, main_size
from supertickets.experiment.parts import FURTHER
from supertickets.experiment.task_files import parts_of

Entry = dict[str, Any]

#: Importance scores that are always computed, so that a kind that is added later finds them: the weights are deleted.
SCORES = ("sensitivity", "running_sensitivity", "taylor", "magnitude", "random")
#: Settings that may be searched for, with what paths call them.
SHORT = {"learning_rate": "lr", "batch_size": "batch", "epochs": "epochs"}

#: What the published code does in every training.
PUBLISHED = {"eps": 1e-6, "bias_correction": False, "batches": "consecutive"}

#: Keys of a kind that say how its tickets are trained, with what they are where only ``teacher`` is given.
TAUGHT = {"teacher": "full", "temperature": 2.0, "teacher_weight": 0.5}


def teacher_of(config: Mapping[str, Any], kind: str) -> Entry:
    """What is added to the settings of a training whose ticket learns from the full model; nothing for other kinds."""
    given = config["define"]["kinds"][kind]
    if "teacher" not in given:
        return {}
    settings = TAUGHT | given
    return {"teacher": {"temperature": settings["temperature"], "weight": settings["teacher_weight"]}}


def methods_of(config: Mapping[str, Any], weights: str) -> list[str]:
    """Importance scores that are computed of some weights: those of :data:`SCORES`, and others that a kind needs."""
    pruned = (pruning_of(config, kind) for kind in dict.fromkeys(["winning", *config["kinds"]]))
    return list(
        dict.fromkeys([*SCORES, *(settings["importance"] for settings in pruned if settings["weights"] == weights)])
    )


def pruning_of(config: Mapping[str, Any], kind: str) -> Entry:
    """How tickets of a kind are scored and cut: the settings of ``pruning``, and what the kind itself says.

    What a kind does not use is fixed, so that another setting of it changes nothing.
    """
    own = {key: value for key, value in config["define"]["kinds"][kind].items() if key not in TAUGHT}
    settings = {**config["pruning"], **own}
    if settings["like"] != "winning":
        settings["steps"] = 1
    if settings["like"] in ("random", "random_with_replacement"):
        settings |= {"importance": "random", "weights": "fine_tuned"}
    return settings


def positive_of(definition: Mapping[str, Any]) -> str:
    """The label of two that F1 is of: the second, unless the task's definition says which."""
    return definition.get("positive", definition["labels"][1])


def metrics_of(config: Mapping[str, Any], task: str) -> list[str]:
    """The metrics of a task, by the names of their modules; the first chooses super tickets."""
    definition = config["define"]["tasks"][task]
    return [
        "f1_of_first" if metric == "f1" and positive_of(definition) == definition["labels"][0] else metric
        for metric in definition["metrics"]
    ]


def margins_of(config: Mapping[str, Any]) -> dict[str, float]:
    """The points that each task of an experiment may lose and still counts as keeping its score."""
    margin = config["margin"]
    if not isinstance(margin, Mapping):
        return dict.fromkeys(config["tasks"], margin)
    first = {task: config["define"]["tasks"][task]["metrics"][0] for task in config["tasks"]}
    return {task: margin.get(task, margin.get(metric, margin["default"])) for task, metric in first.items()}


def separators_of(config: Mapping[str, Any], tasks: Iterable[str]) -> Entry:
    """What is added to a grid so that documents are resampled whole: ``separators``, by task; nothing where none is."""
    definitions = {task: config["define"]["tasks"][task] for task in tasks}
    given = {task: entry.get("split", {}).get("group_separator", "") for task, entry in definitions.items()}
    separators = {task: separator for task, separator in given.items() if separator}
    return {"separators": separators} if separators else {}


def with_separators(grid: Mapping[str, Any], config: Mapping[str, Any], tasks: Iterable[str]) -> Entry:
    """A grid with the :func:`separators_of` some tasks, where they have any."""
    return {**grid, **separators_of(config, tasks)}


def limits_of(config: Mapping[str, Any], task: str) -> dict[str, int | None]:
    """The most validation and test examples of a task that are predicted; None for all."""
    asked = {
        part: limit.get(task, limit["default"]) if isinstance(limit, Mapping) else limit
        for part, limit in config["evaluate"].items()
    }
    return {part: None if limit == "all" else limit for part, limit in asked.items()}


def training_of(config: Mapping[str, Any], model: str, task: str, size: Size | None = None) -> Entry:
    """Settings of the trainings of a model on a task: those that are asked for, and what the task itself says.

    Args:
        config: of the experiment.
        model, task: names.
        size: number of training examples, or a share of them; None for the main size.
    """
    limits = limits_of(config, task)
    parts = parts_of(config["define"]["tasks"][task], config["glue"])
    limits |= {part: limits["validation"] for part in FURTHER if part in parts}
    asked = asked_of(config, model, task, size)
    best = {"best_by": {"metric": metrics_of(config, task)[0], "validation": limits["validation"]}}
    return {
        **of_steps(asked),
        **(best if asked["model_epoch"] == "best" else {}),
        **(file_order(config, task) if asked["batches"] == "consecutive" else {}),
        "evaluate": limits,
        "outputs": outputs_of(config, task),
        "threads": config["threads"],
        "device": config["device"],
        "precision": config["precision"],
    }


def asked_of(config: Mapping[str, Any], model: str, task: str, size: Size | None = None) -> Entry:
    """All keys of ``training`` for a model and task.

    Those of ``training``, then the published ones where they are asked for and known, then the overrides of the model,
    of the task, and of both; last those of the size, of all and of each of these. Arguments as of :func:`training_of`.
    """
    overrides = config["training_overrides"]
    own = [model, task, f"{model}/{task}"]
    sized = f"n{main_size(config['train_sizes']) if size is None else size}"
    names = [*own, sized, *(f"{name}/{sized}" for name in own)]
    return {
        **config["training"],
        **(PUBLISHED | _published(config, model, task) if config["published_settings"] else {}),
        **{key: value for name in names for key, value in overrides.get(name, {}).items()},
    }


def of_steps(asked: Mapping[str, Any]) -> Entry:
    """Keys of ``training`` as the settings of jobs hold them: without that of a job of its own, the scored epoch."""
    return {key: value for key, value in asked.items() if key != "importance_epoch"}


def file_order(config: Mapping[str, Any], task: str) -> Entry:
    """What is added to a task's settings so that the order of its files is known."""
    return {"order_seed": config["define"]["tasks"][task].get("split", {}).get("seed", 0)}


def importance_epoch(config: Mapping[str, Any], model: str, task: str, size: Size | None = None) -> int | str | None:
    """The epoch of the full model whose units are scored, where it is another than that of its predictions."""
    asked = asked_of(config, model, task, size)
    epoch: int | str = asked["importance_epoch"]
    if "finetuned" in config["define"]["models"][model] or epoch in ("model", asked["model_epoch"]):
        return None
    return None if {epoch, asked["model_epoch"]} <= {"last", asked["epochs"]} else epoch


def scored_settings(config: Mapping[str, Any], model: str, task: str, size: Size | None = None) -> Entry:
    """Settings of the training whose weights are scored, up to the epoch of :func:`importance_epoch`."""
    epoch = importance_epoch(config, model, task, size)
    if epoch is None:
        return training_of(config, model, task, size)
    name = f"{model}/{task}/n{main_size(config['train_sizes']) if size is None else size}"
    override = {**config["training_overrides"].get(name, {}), "model_epoch": epoch}
    changed = {**config, "training_overrides": {**config["training_overrides"], name: override}}
    return training_of(changed, model, task, size)


def _published(config: Mapping[str, Any], model: str, task: str) -> Entry:
    """Epochs, dropout before the task head and the scored epoch of the published code, where it has the task."""
    published = config["define"]["tasks"][task].get("published", {})
    size = config["define"]["models"][model].get("size")
    by_size = {key: value.get(size) if isinstance(value, Mapping) else value for key, value in published.items()}
    return {key: value for key, value in by_size.items() if value is not None}


def outputs_of(config: Mapping[str, Any], task: str) -> int:
    """Number of classes of a task, 1 for regression."""
    definition = config["define"]["tasks"][task]
    return len(definition["labels"]) if definition["type"] == "classification" else 1


def choices_of(search: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every combination of the values to choose from, by a name that is part of paths, as in ``lr5e-05-batch16``.

    Args:
        search: lists of values by setting; other keys are ignored.
    """
    keys = [key for key in SHORT if search.get(key)]
    if not keys:
        return {}
    combinations = [dict(zip(keys, values, strict=True)) for values in product(*(search[key] for key in keys))]
    return {"-".join(f"{SHORT[key]}{value!r}" for key, value in one.items()): one for one in combinations}


def unsearched(config: Mapping[str, Any], settings: Mapping[str, Any]) -> Entry:
    """Settings without those that a search chooses."""
    return {key: value for key, value in settings.items() if not config["search"].get(key)}


def tried_settings(config: Mapping[str, Any], model: str, task: str, choice: str) -> Entry:
    """A task's settings with those of one choice, for a training that is scored on validation alone."""
    settings = training_of(config, model, task)
    limit = {"evaluate": {"validation": settings["evaluate"]["validation"]}}
    return settings | choices_of(config["search"])[choice] | limit


def subset_settings(config: Mapping[str, Any], task: str) -> Entry:
    """How a task's training subsets are drawn. A regression has no classes to stratify."""
    return {"stratify": int(config["stratify"] and outputs_of(config, task) > 1)}
