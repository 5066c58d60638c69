"""Macro-averaged F1: the mean over classes of the F1 of each."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score

from supertickets.evaluation.class_f1 import class_f1
from supertickets.evaluation.metric import Metric


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute the mean F1 in each resample, over the classes that its predictions or labels have."""
    scores, in_predicted, in_true = class_f1(predicted, true, counts)
    return scores.sum(axis=1) / (in_predicted + in_true > 0).sum(axis=1)


METRIC = Metric(
    plain=lambda predicted, true: f1_score(true, predicted, average="macro"), weighted=weighted, name="macro F1"
)
