"""Predict the GLUE server's test examples with a task's best full model or super ticket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supertickets.training.repeat import repeat_training


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
    finetuned: Path | None = None,
    checkpoint_minutes: float = 0.0,
) -> None:
    """Repeat the training of a group's best full model or super ticket, and predict unlabelled examples.

    The server accepts the answers of one model: that with the highest validation score.

    Args:
        results, grid, group, metric, which, chosen, finetuned, checkpoint_minutes: see
            :func:`supertickets.training.repeat.repeat_training`.
        settings: the task's training settings; ``evaluate`` names the unlabelled parts.
        encoded: the tokenised task with its unlabelled examples.
        predictions: Parquet file to write: id, split, label (none) and logits.
    """
    repeat_training(
        results, grid, group, metric, which, settings, encoded, predictions, chosen=chosen,
        finetuned=finetuned, checkpoint_minutes=checkpoint_minutes,
    )  # fmt: skip
