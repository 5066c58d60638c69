"""F1 score of the second of two classes."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score

from supertickets.evaluation.metric import Metric


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute F1 in each resample; 0 where neither predictions nor labels have the class."""
    total = counts @ (predicted == 1) + counts @ (true == 1)
    return 2 * (counts @ ((predicted == 1) & (true == 1))) / np.maximum(total, 1)


METRIC = Metric(plain=lambda predicted, true: f1_score(true, predicted), weighted=weighted, name="F1")
