"""Predict with a classifier, trained or in training."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import torch

from supertickets.encoder.batches import sorted_batches
from supertickets.encoder.model import Classifier
from supertickets.encoder.narrow import Narrowed
from supertickets.encoder.precision import computing
from supertickets.errors import DivergedError

#: Sentences per batch in passes without weight updates.
EVALUATION_BATCH = 64


@torch.inference_mode()
def predict(model: Classifier, view: Narrowed, rows: np.ndarray) -> np.ndarray:
    """Outputs for some examples, dropout off.

    Args:
        model: its word embedding narrowed.
        view: the examples as the narrowed model takes them.
        rows: the examples among them.

    Returns:
        float32, shape (rows, outputs), in the order of ``rows``.

    Raises:
        DivergedError: an output is not finite.
    """
    model.eval()
    with computing(model, view.compute.precision):
        return outputs_of(model, view, rows)


def validation_score(model: Classifier, view: Narrowed, rows: np.ndarray, metric: str) -> float:
    """The score of a model in training, dropout off; arguments and errors as of :func:`predict`.

    The metric is loaded by its name, so that an edit of metrics reruns those trainings alone that need one.
    """
    model.eval()
    with torch.no_grad():
        outputs = outputs_of(model, view, rows)
    model.train()
    answers = outputs[:, 0] if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    plain = import_module(f"supertickets.evaluation.metrics.{metric}").METRIC.plain
    return float(plain(answers.astype(np.float64), view.data.labels[rows]))


def outputs_of(model: Classifier, view: Narrowed, rows: np.ndarray) -> np.ndarray:
    """As :func:`predict`, of a model that is in evaluation mode and computes in its precision."""
    groups = sorted_batches(np.arange(len(rows)), view.data.lengths[rows], EVALUATION_BATCH)
    outputs = np.empty((len(rows), model.classifier.out_features), dtype=np.float32)
    logits = [model(view.batch(rows[group])) for group in groups]
    outputs[np.concatenate(groups)] = torch.cat(logits).cpu().numpy()
    if not np.isfinite(outputs).all():
        raise DivergedError(
            "the trained model's outputs are not finite: training diverged; try a smaller learning_rate"
        )
    return outputs
