"""Train the best full model or super ticket of a task once more, with the same result: weights are not kept."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from supertickets.encoder.rewind import rewind
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.evaluation.best_run import exported_run
from supertickets.experiment.paths import ENCODER, SUBSET, ticket_file
from supertickets.files import write_json
from supertickets.jobs.locks import alone
from supertickets.training.run import train_run

log = logging.getLogger(__name__)


def repeat_training(
    results: Path,
    grid: dict[str, Any],
    group: dict[str, Any],
    metric: str,
    which: str,
    settings: dict[str, Any],
    encoded: Path,
    predictions: Path,
    record: Path | None = None,
    trained: Path | None = None,
    ticket: Path | None = None,
    chosen: Path | None = None,
    finetuned: Path | None = None,
    checkpoint_minutes: float = 0.0,
) -> None:
    """Repeat the training of a group's :func:`~supertickets.evaluation.best_run.exported_run`.

    It predicts what the settings ask for.

    Args:
        results: the results folder.
        grid: axes of the grid (:func:`~supertickets.experiment.grid.grid_of`).
        group: model, task, train_size and the kind ``winning``.
        metric: the task's first metric.
        which: ``full`` or ``super``.
        settings: the task's training settings; ``evaluate`` names the parts to predict.
        encoded: the tokenised task.
        predictions, trained, chosen, finetuned, checkpoint_minutes: see
            :func:`supertickets.training.run.train_run`; the checkpoint is beside the predictions, and a super ticket
            is trained whatever ``finetuned`` is.
        record, ticket: JSON files to write: what was done, and the units that are kept, all of a full model; None: not
            written.
    """
    run = exported_run(results, grid, group, metric, which)
    repeat_run(
        results, run, settings, encoded, predictions, record, trained, ticket, chosen, finetuned, checkpoint_minutes
    )


def repeat_run(
    results: Path,
    run: dict[str, Any],
    settings: dict[str, Any],
    encoded: Path,
    predictions: Path,
    record: Path | None = None,
    trained: Path | None = None,
    ticket: Path | None = None,
    chosen: Path | None = None,
    finetuned: Path | None = None,
    checkpoint_minutes: float = 0.0,
) -> None:
    """Repeat the training of a run; other arguments as of :func:`repeat_training`.

    Args:
        results: the results folder, with its encoder, subset and ticket.
        run: a full model, or a winning ticket.
    """
    log.info("repeating %s", run)
    model = results / ENCODER.format(**run)
    weights, found = model / "model.safetensors", None
    # Fixed names: files that a killed process leaves are replaced, then deleted, by the next process.
    rewound, unwanted = (predictions.with_suffix(ending) for ending in (".rewound.safetensors", ".record.json"))
    with alone(predictions.with_suffix(".lock")):
        try:
            if run["kind"] != "full":
                found = results / ticket_file(run)
                rewind(weights, model / "config.json", found, rewound)
                weights = rewound
            train_run(
                config=model / "config.json",
                weights=weights,
                encoded=encoded,
                subset=results / SUBSET.format(**run),
                run=run,
                settings=settings,
                record=record or unwanted,
                predictions=predictions,
                shape=model / "shape.json",
                trained=trained,
                ticket=found,
                chosen=chosen,
                finetuned=None if found else finetuned,
                checkpoint=predictions.with_suffix(".checkpoint.safetensors"),
                checkpoint_minutes=checkpoint_minutes,
            )
            if ticket is not None:
                shape = Shape.read(model / "shape.json", outputs=1)
                kept = Ticket.read(found) if found else Ticket.full(shape.layers, shape.heads)
                write_json(ticket, kept.as_json())
        finally:
            for path in (rewound, unwanted):
                path.unlink(missing_ok=True)
