"""The config of an experiment on a model and files of the user's own, from the options of a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from supertickets.errors import UserError
from supertickets.experiment.config import CATALOGUE, SCHEMA

Entry = dict[str, Any]

#: A model of the hub: owner/name@commit.
HUB = re.compile(r"(?P<hub>[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?)@(?P<revision>[0-9a-f]{40})")


def model_of(text: str, finetuned: str) -> tuple[str, Entry]:
    """The name and entry of a model.

    Args:
        text: a name of the catalogue, ``owner/name@commit`` of the hub, or a folder; empty for that of ``finetuned``.
        finetuned: a folder of a fine-tuned model, or empty.

    Returns:
        Its name in the config, and what ``define.models`` says of it: nothing more for one of the catalogue.

    Raises:
        UserError: it is none of these.
    """
    known = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))["models"]
    given = {"finetuned": str(Path(finetuned).absolute())} if finetuned else {}
    if not text and not finetuned:
        raise UserError(
            f"no model: give one of {', '.join(known)}, owner/name@commit of the hub, a folder, or --finetuned"
        )
    if not text:
        return name_of(Path(given["finetuned"]).name, "model"), given
    if text in known:
        return text, {**known[text], **given} if given else {}
    if found := HUB.fullmatch(text):
        return name_of(text.partition("@")[0].rpartition("/")[2], "model"), {**found.groupdict(), **given}
    if Path(text).is_dir():
        return name_of(Path(text).absolute().name, "model"), {"path": str(Path(text).absolute()), **given}
    raise UserError(
        f"{text!r:.200} is neither a folder, nor a model of the catalogue ({', '.join(known)}), nor a model of the hub "
        "with its commit, owner/name@ and 40 hexadecimal digits: branches and tags move"
    )


def name_of(text: str, otherwise: str) -> str:
    """A name for a config, whose names are parts of paths; ``otherwise`` where nothing of the text is left."""
    return re.sub(r"[^a-z0-9_.-]+", "-", text.lower()).strip("-._")[:100] or otherwise


def task_of(
    files: Mapping[str, Path], columns: Mapping[str, str], metrics: Sequence[str], targets: Sequence[str]
) -> Entry:
    """The entry of a task.

    Args:
        files: by part; ``train`` alone is split into train, validation and test.
        columns: columns of the files, by field.
        metrics: of the task; those of regressions make it one.
        targets: all values of the target column.

    Raises:
        UserError: the targets are not classes.
    """
    paths = {part: str(path.absolute()) for part, path in files.items()}
    source = {"files": paths} if len(paths) > 1 else {"path": paths["train"]}
    entry = {**source, "columns": dict(columns), "metrics": list(metrics)}
    regressions = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["$defs"]["regression_metric"]["enum"]
    if {*metrics} & {*regressions}:
        return entry | {"type": "regression"}
    labels = sorted({*targets})
    if not 2 <= len(labels) <= len(targets) / 2:
        raise UserError(
            f"{files['train']}: column {columns['target']!r} holds {len(labels)} different labels in {len(targets)} "
            f"rows: two at least are needed, each of several rows; a column of numbers is predicted with --metric "
            f"{' or '.join(regressions)}"
        )
    return entry | {"type": "classification", "labels": labels}


def own_config(
    model: tuple[str, Entry],
    task: tuple[str, Entry],
    margin: float,
    seeds: int,
    ratios: Sequence[float],
    max_length: int,
) -> dict[str, Any]:
    """A config that trains winning tickets on all examples of the files, and judges them against the full model.

    Args:
        model, task: names and entries.
        margin: points that may be lost.
        seeds: how many.
        ratios: to prune at.
        max_length: longest sequence in tokens.
    """
    models = {"models": dict([model])} if model[1] else {}
    return {
        "models": [model[0]],
        "tasks": [task[0]],
        "train_sizes": ["all"],
        "seeds": list(range(1, seeds + 1)),
        "kinds": ["winning"],
        "ratios": list(ratios),
        "max_length": max_length,
        "latency": {"lengths": sorted({min(32, max_length), max_length})},
        "evaluate": {"validation": "all", "test": "all"},
        "margin": margin,
        "define": {**models, "tasks": dict([task])},
    }
