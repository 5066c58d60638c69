"""Accuracy: the share of correct predictions."""

from __future__ import annotations

import numpy as np

from supertickets.evaluation.metric import Metric


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute accuracy in each resample."""
    return counts @ (predicted == true) / counts.sum(axis=1)


# The checks of scikit-learn's accuracy_score would take nine tenths of choosing a super ticket.
METRIC = Metric(plain=lambda predicted, true: float((predicted == true).mean()), weighted=weighted, unit="%")
