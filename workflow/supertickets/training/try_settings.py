"""Judge settings to choose from: one full model, trained with them and scored on validation."""

from __future__ import annotations

import logging
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.errors import DivergedError
from supertickets.evaluation.metric import metric_of, predicted
from supertickets.files import write_json
from supertickets.training.run import train_run

log = logging.getLogger(__name__)


def try_settings(
    config: Path,
    weights: Path,
    encoded: Path,
    subset: Path,
    run: dict[str, Any],
    settings: dict[str, Any],
    shape: Path,
    metric: str,
    score: Path,
    checkpoint_minutes: float = 0.0,
) -> None:
    """Train a full model and write its validation score; null where training diverged or the score is not finite.

    Args:
        config, weights, encoded, subset, run, settings, shape: as of :func:`supertickets.training.run.train_run`.
        metric: the task's first metric.
        checkpoint_minutes: likewise; the checkpoint is beside the score.
        score: JSON file to write: ``score`` (times 100, or null), ``settings``, and ``problem`` where it is null.
    """
    found, problem = None, None
    with tempfile.TemporaryDirectory() as folder:
        predictions = Path(folder) / "predictions.parquet"
        try:
            record = Path(folder) / "record.json"
            train_run(
                config, weights, encoded, subset, run, settings, record, predictions, shape,
                checkpoint=score.with_suffix(".checkpoint.safetensors"), checkpoint_minutes=checkpoint_minutes,
            )  # fmt: skip
        except DivergedError as error:
            problem = str(error)
        else:
            table = pd.read_parquet(predictions)
            outputs = predicted(np.stack(table["logits"].tolist()))
            value = 100 * float(metric_of(metric).plain(outputs, table["label"].to_numpy()))
            found, problem = (value, None) if math.isfinite(value) else (None, f"{metric} is {value}")
    log.info("%s: %s", metric, problem or found)
    write_json(score, {"score": found, "settings": settings} | ({"problem": problem} if problem else {}))
