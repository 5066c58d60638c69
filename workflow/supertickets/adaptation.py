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
        settings: number of ``outputs`` of the task; for ``nearest`` the ``importance`` files by task, its own among
            them, and their ``method``.
        ticket: JSON file to write: kept units, counts, weight remaining, and what it came from.

    Raises:
        UserError: a file is broken.
    """
    content = read_json(tickets)
    dimensions = Shape.read(shape, settings["outputs"])
    full = Ticket.full(dimensions.layers, dimensions.heads)
    origin: dict[str, Any] = dict(run)
    held = run["held"]
    if held == "full":
        kept = full
    elif held == "union":
        kept = Ticket.union([Ticket.of(one, f"{tickets}, task {name}") for name, one in content.items()])
    else:
        name = run["task"]
        if held == "nearest":
            scores = {
                task: _scores(Path(path), settings["method"], full) for task, path in settings["importance"].items()
            }
            own = scores.pop(run["task"])
            origin["similarity"] = {
                task: float(stats.spearmanr(own, other).statistic) for task, other in scores.items()
            }
            name = origin["nearest"] = max(scores, key=origin["similarity"].__getitem__)
        kept = Ticket.of(content.get(name), f"{tickets}, task {name}")
    counts = {"heads_pruned": kept.heads_pruned, "ffn_pruned": kept.ffn_pruned}
    remaining = {"weight_remaining": kept.weight_remaining(dimensions)}
    write_json(ticket, kept.as_json() | counts | remaining | {"origin": origin})


def _scores(path: Path, method: str, full: Ticket) -> np.ndarray:
    """Normalized scores of all units, heads first."""
    scores = read_importance(path, method, full)
    return np.concatenate([scores["head"].ravel(), scores["ffn"]])


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
