"""The ticket with which a task continues from an encoder of several tasks, or of another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from supertickets.encoder.ticket import Shape, Ticket, read_tickets
from supertickets.files import sha256, write_json
from supertickets.tickets.importance_table import read_importance


def draw_adaptation_ticket(
    tickets: Path, run: dict[str, Any], shape: Path, settings: dict[str, Any], ticket: Path
) -> None:
    """Write the ticket with which a task continues from a shared encoder.

    Args:
        tickets: each task's ticket in the multi-task training.
        run: what the ticket is for: model, task, train_size, seed, mode and ``ticket``: ``own`` (that of the task
            itself), ``full`` (the whole encoder), ``union`` (what any of the tasks holds), or ``nearest`` (that of
            the task whose units' importance is the most like the new task's, by Spearman's rank correlation).
        shape: the encoder's dimensions.
        settings: number of ``outputs`` of the task; for ``nearest`` the ``importance`` files by task, its own among
            them, and the ``method`` that counts.
        ticket: JSON file to write: kept units, counts, weight remaining, and what it came from, for ``nearest`` with
            the ``similarity`` to all tasks.

    Raises:
        UserError: a file is broken.
    """
    dimensions = Shape.read(shape, settings["outputs"])
    full = Ticket.full(dimensions.layers, dimensions.heads)
    origin: dict[str, Any] = run | {"tickets_sha256": sha256(tickets)}
    if run["ticket"] == "full":
        kept = full
    elif run["ticket"] == "union":
        kept = Ticket.union(list(read_tickets(tickets).values()))
    else:
        name = run["task"]
        if run["ticket"] == "nearest":
            similarity = _similarity(run["task"], settings, full)
            name = max(similarity, key=similarity.__getitem__)
            origin |= {"nearest": name, "similarity": similarity}
        kept = read_tickets(tickets, [name])[name]
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
