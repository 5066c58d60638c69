"""Pearson's correlation."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.stats import pearsonr

from supertickets.evaluation.correlation import plain_correlation, weighted_correlation
from supertickets.evaluation.metric import Metric


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute Pearson's correlation in each resample; values are centred first, for numerical accuracy."""
    return weighted_correlation(predicted - predicted.mean(), true - true.mean(), counts)


METRIC = Metric(plain=partial(plain_correlation, pearsonr), weighted=weighted, lowest=-100, name="Pearson correlation")
