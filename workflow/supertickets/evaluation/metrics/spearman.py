"""Spearman's correlation: Pearson's of mean ranks."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.stats import spearmanr

from supertickets.evaluation.correlation import plain_correlation, weighted_correlation
from supertickets.evaluation.metric import Metric


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Spearman's correlation in each resample, by the mean ranks within it."""
    return weighted_correlation(_ranks(predicted, counts), _ranks(true, counts), counts)


def _ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean rank of each value in each resample, shape (resamples, n)."""
    _, place = np.unique(values, return_inverse=True)
    of_value = np.zeros((place.max() + 1, len(counts)))
    np.add.at(of_value, place, counts.T)
    below = np.cumsum(of_value, axis=0) - of_value
    return (below + (of_value + 1) / 2)[place].T


METRIC = Metric(plain=partial(plain_correlation, spearmanr), weighted=weighted, lowest=-100)
