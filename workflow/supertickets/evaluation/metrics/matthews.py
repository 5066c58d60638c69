"""Matthews' correlation, for any number of classes (Gorodkin 2004)."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import matthews_corrcoef

from supertickets.evaluation.metric import Metric


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute Matthews' correlation in each resample; 0 where predictions or labels are constant."""
    classes = np.union1d(predicted, true)
    of_predicted, of_true = (counts @ (values[:, None] == classes) for values in (predicted, true))
    size = counts.sum(axis=1)
    covariance = (counts @ (predicted == true)) * size - (of_predicted * of_true).sum(axis=1)
    variances = (size**2 - (of_predicted**2).sum(axis=1)) * (size**2 - (of_true**2).sum(axis=1))
    return np.where(variances > 0, covariance / np.sqrt(np.maximum(variances, 1)), 0.0)


METRIC = Metric(
    plain=lambda predicted, true: matthews_corrcoef(true, predicted),
    weighted=weighted,
    lowest=-100,
    name="Matthews correlation",
)
