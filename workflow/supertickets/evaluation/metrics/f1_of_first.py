"""F1 score of the first of two classes, for tasks whose definition says that it is the positive one."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score

from supertickets.evaluation.metric import Metric
from supertickets.evaluation.metrics import f1


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute F1 in each resample, as of the second class after the two have changed places."""
    return f1.weighted(1 - predicted, 1 - true, counts)


METRIC = Metric(plain=lambda predicted, true: f1_score(true, predicted, pos_label=0), weighted=weighted, name="F1")
