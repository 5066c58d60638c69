"""Which units of a shared encoder each task gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supertickets.encoder.ticket import Shape, Ticket
from supertickets.evaluation.results import chosen_ratio
from supertickets.experiment.modes import KIND_OF_MODE
from supertickets.experiment.paths import ticket_file
from supertickets.files import write_json


def share_tickets(
    results: Path,
    trials: list[dict[str, Any]],
    mode: str,
    ratios: dict[str, float],
    shape: Path,
    outputs: dict[str, int],
    tickets: Path,
) -> None:
    """Write the ticket of every task for one training on all of them.

    Args:
        results: the results folder, with tickets, and selections of the tasks that no ratio is given for.
        trials: model, task, train_size and seed of each task.
        mode: ``full`` (nothing is pruned), ``super`` (each task's super ticket), ``random`` (a random ticket of the
            same size), or ``union`` (for all tasks what any super ticket keeps).
        ratios: of super tickets, by task, in place of the chosen ones; 0 is the full encoder.
        shape: the encoder's dimensions.
        outputs: number of outputs of each task, which weights remaining depend on.
        tickets: JSON file to write: by task the ticket, its ratio, counts and weight remaining.

    Raises:
        UserError: a file is damaged.
    """
    kept: dict[str, Ticket] = {}
    chosen: dict[str, float] = {}
    for trial in trials:
        task = trial["task"]
        ratio = 0.0 if mode == "full" else ratios.get(task, -1.0)
        if ratio < 0:
            ratio = chosen_ratio(results, trial, trial["seed"])
        chosen[task] = ratio
        dimensions = Shape.read(shape, outputs[task])
        kept[task] = Ticket.full(dimensions.layers, dimensions.heads)
        if ratio:
            run = trial | {"kind": KIND_OF_MODE[mode], "ratio": ratio, "draw": 1}
            kept[task] = Ticket.read(results / ticket_file(run))
    if mode == "union":
        kept = dict.fromkeys(kept, Ticket.union(list(kept.values())))
    content = {
        task: ticket.as_json()
        | {
            "ratio": chosen[task],
            "heads_pruned": ticket.heads_pruned,
            "ffn_pruned": ticket.ffn_pruned,
            "weight_remaining": ticket.weight_remaining(Shape.read(shape, outputs[task])),
        }
        for task, ticket in kept.items()
    }
    write_json(tickets, content)
