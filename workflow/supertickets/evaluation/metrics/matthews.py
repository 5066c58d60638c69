"""Matthews' correlation, for any number of classes (Gorodkin 2004)."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import matthews_corrcoef

from supertickets.evaluation.metric import Metric


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Matthews' correlation in each resample; 0 where one side is constant."""
    classes = np.union1d(predicted, true)
    found, expected = (counts @ (values[:, None] == classes) for values in (predicted, true))
    size = counts.sum(axis=1)
    covariance = (counts @ (predicted == true)) * size - (found * expected).sum(axis=1)
    spread = (size**2 - (found**2).sum(axis=1)) * (size**2 - (expected**2).sum(axis=1))
    return np.where(spread > 0, covariance / np.sqrt(np.maximum(spread, 1)), 0.0)


METRIC = Metric(plain=lambda predicted, true: matthews_corrcoef(true, predicted), weighted=weighted, lowest=-100)
