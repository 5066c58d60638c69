"""Weighted F1: the mean over classes of the F1 of each, weighted by how many examples have the class."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score

from supertickets.evaluation.class_f1 import class_f1
from supertickets.evaluation.metric import Metric


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute the weighted mean of F1 in each resample."""
    scores, _, in_true = class_f1(predicted, true, counts)
    return (scores * in_true).sum(axis=1) / in_true.sum(axis=1)


METRIC = Metric(
    plain=lambda predicted, true: f1_score(true, predicted, average="weighted"), weighted=weighted, name="weighted F1"
)
