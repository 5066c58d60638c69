"""Go on from an encoder that several tasks have trained: with which ticket, and from which weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from .files import read_json, write_json
from .importance import read_importance
from .layout import head_name
from .rewind import read_arrays, write_cut
from .tickets import Shape, Ticket


def adaptation_ticket(tickets: Path, run: dict[str, Any], shape: Path, settings: dict[str, Any], ticket: Path) -> None:
    """Write the ticket with which a task goes on from a shared encoder.

    Args:
        tickets: each task's ticket in the training on several tasks.
        run: what the ticket is for: model, task, train_size, seed, mode and ``held``: ``own`` (that of the task
            itself), ``full`` (the whole encoder), ``union`` (what any of the tasks holds), or ``nearest`` (that of
            the task whose units' importance is the most like the new task's, by Spearman's rank correlation).
        shape: the encoder's dimensions.
        settings: number of ``outputs`` of the task; of a new one the ``importance`` files by task, its own among
            them, and the ``method`` that counts.
        ticket: JSON file to write: kept units, counts, weight remaining, and what it came from, of a new task with its
            ``similarity`` to the others.

    Raises:
        UserError: a file is broken.
    """
    content = read_json(tickets)
    dimensions = Shape.read(shape, settings["outputs"])
    full = Ticket.full(dimensions.layers, dimensions.heads)
    origin: dict[str, Any] = dict(run)
    if settings["importance"]:
        origin["similarity"] = _similarity(run["task"], settings, full)
    if run["held"] == "full":
        kept = full
    elif run["held"] == "union":
        kept = Ticket.union([Ticket.of(one, f"{tickets}, task {name}") for name, one in content.items()])
    else:
        name = run["task"]
        if run["held"] == "nearest":
            name = origin["nearest"] = max(origin["similarity"], key=origin["similarity"].__getitem__)
        kept = Ticket.of(content.get(name), f"{tickets}, task {name}")
    counts = {"heads_pruned": kept.heads_pruned, "ffn_pruned": kept.ffn_pruned}
    remaining = {"weight_remaining": kept.weight_remaining(dimensions)}
    write_json(ticket, kept.as_json() | counts | remaining | {"origin": origin})


def _similarity(new: str, settings: dict[str, Any], full: Ticket) -> dict[str, float]:
    """Spearman's rank correlation of a new task's normalized importance, over all units, with each other task's.

    It is 0 where no unit matters to a task.
    """
    found = {
        task: read_importance(Path(path), settings["method"], full) for task, path in settings["importance"].items()
    }
    scores = {task: np.concatenate([one["head"].ravel(), one["ffn"]]) for task, one in found.items()}
    own = scores.pop(new)
    constant = np.ptp(own) == 0
    return {
        task: 0.0 if constant or np.ptp(other) == 0 else float(stats.spearmanr(own, other).statistic)
        for task, other in scores.items()
    }


def start_from_shared(shared: Path, config: Path, ticket: Path, task: str, start: Path) -> None:
    """Write the weights that a task goes on from.

    Args:
        shared: weights of an encoder that several tasks have trained, with their heads.
        config: its ``config.json``.
        ticket: the units that the task goes on with.
        task: its name. A task that took part in that training goes on with its head, a new one draws it.
        start: safetensors file to write.

    Raises:
        UserError: the weights cannot be read, or do not fit the ticket.
    """
    tensors = read_arrays(shared)
    heads = {name: tensors.pop(name) for name in list(tensors) if "/" in name}
    prefix = head_name(task, "")
    own = {name.removeprefix(prefix): value for name, value in heads.items() if name.startswith(prefix)}
    write_cut(tensors | own, config, ticket, start)
