"""Predict the GLUE server's test examples with a task's best full model or super ticket."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from supertickets.encoder.rewind import rewind
from supertickets.errors import DamagedError
from supertickets.evaluation.results import chosen_ratio, read_groups
from supertickets.experiment.grid import group_runs
from supertickets.experiment.paths import group_file, ticket_file
from supertickets.jobs.locks import alone
from supertickets.training.run import train_run

log = logging.getLogger(__name__)


def predict_for_server(
    results: Path,
    grid: dict[str, Any],
    group: dict[str, Any],
    metric: str,
    which: str,
    settings: dict[str, Any],
    encoded: Path,
    predictions: Path,
    chosen: Path | None = None,
    checkpoint_minutes: float = 0.0,
) -> None:
    """Repeat the training of a group's best full model or super ticket, and predict unlabelled examples.

    The weights of a training are not kept, but repeating it gives the same weights. The best seed is the one with the
    highest validation score; the server accepts the answers of one model.

    Args:
        results: the results folder.
        grid: lists of values that span the runs (:func:`~supertickets.experiment.grid.grid_of`).
        group: model, task, train_size and the kind ``winning``.
        metric: the task's first metric.
        which: ``full`` or ``super``.
        settings: the task's training settings; ``evaluate`` names the unlabelled parts.
        encoded: the tokenised task with its unlabelled examples.
        predictions: Parquet file to write: id, split, label (none) and logits.
        chosen: file of the settings that a search chose.
        checkpoint_minutes: see :func:`supertickets.training.run.train_run`; the checkpoint is beside the predictions.
    """
    run = best_run(results, grid, group, metric, which)
    log.info("predicting with %s", run)
    model = results / "pretrained" / group["model"]
    size = run["train_size"]
    weights, ticket = model / "model.safetensors", None
    # Fixed names: files that a killed process leaves are replaced, then deleted, by the next process.
    rewound, record = (predictions.with_suffix(ending) for ending in (".rewound.safetensors", ".record.json"))
    with alone(predictions.with_suffix(".lock")):
        try:
            if run["kind"] != "full":
                ticket = results / ticket_file(run)
                rewind(weights, model / "config.json", ticket, rewound)
                weights = rewound
            train_run(
                config=model / "config.json",
                weights=weights,
                encoded=encoded,
                subset=results / f"subsets/{group['task']}/n{size}/seed{run['seed']}.json",
                run=run,
                settings=settings,
                record=record,
                predictions=predictions,
                shape=model / "shape.json",
                ticket=ticket,
                chosen=chosen,
                checkpoint=predictions.with_suffix(".checkpoint.safetensors"),
                checkpoint_minutes=checkpoint_minutes,
            )
        finally:
            for path in (rewound, record):
                path.unlink(missing_ok=True)


def best_run(results: Path, grid: dict[str, Any], group: dict[str, Any], metric: str, which: str) -> dict[str, Any]:
    """The run with the best validation score among the seeds of the full model, or of the super ticket.

    Args:
        results, grid, group, metric, which: see :func:`predict_for_server`.

    Raises:
        UserError: a file is damaged or has no validation score.
    """
    ratio = 0.0
    if which == "super":
        read_groups(results, "selections", [group], grid)  # a table of this experiment
        ratio = chosen_ratio(results, group)
    scores = read_groups(results, "scores", [group], grid)
    scores = scores[(scores["split"] == "validation") & (scores["metric"] == metric) & (scores["ratio"] == ratio)]
    scores = scores.dropna(subset="value")
    if scores.empty:
        raise DamagedError(results / "scores" / f"{group_file(group)}.parquet", f"no {metric} on validation")
    seed = int(scores.sort_values(["value", "seed"], ascending=[False, True])["seed"].iloc[0])
    runs = group_runs(grid, group)
    return next(run for run in runs if run["seed"] == seed and run["ratio"] == ratio and run["draw"] == 1)
