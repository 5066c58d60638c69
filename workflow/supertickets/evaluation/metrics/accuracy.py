"""Accuracy: the share of correct predictions."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import accuracy_score

from supertickets.evaluation.metric import Metric


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute accuracy in each resample."""
    return counts @ (predicted == true) / counts.sum(axis=1)


METRIC = Metric(plain=lambda predicted, true: accuracy_score(true, predicted), weighted=weighted, unit="%")
