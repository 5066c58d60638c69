"""Balanced accuracy: the mean over classes of the share of each that is found."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import recall_score

from supertickets.evaluation.metric import Metric


def plain(predicted: np.ndarray, true: np.ndarray) -> float:
    """Compute balanced accuracy, over the classes that the labels have; others may be predicted."""
    return float(recall_score(true, predicted, labels=np.unique(true), average="macro"))


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute balanced accuracy in each resample, over the classes that its labels have."""
    of_class = true == np.unique(true)[:, None]
    found, size = counts @ (of_class & (predicted == true)).T, counts @ of_class.T
    return (found / np.maximum(size, 1)).sum(axis=1) / (size > 0).sum(axis=1)


METRIC = Metric(plain=plain, weighted=weighted, unit="%")
