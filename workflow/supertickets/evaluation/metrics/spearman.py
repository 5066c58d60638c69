"""Spearman's correlation: Pearson's correlation of mean ranks."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.stats import spearmanr

from supertickets.evaluation.correlation import plain_correlation, weighted_correlation
from supertickets.evaluation.metric import Metric


def weighted(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute Spearman's correlation in each resample, from the mean ranks in the resample."""
    return weighted_correlation(_ranks(predicted, counts), _ranks(true, counts), counts)


def _ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute the mean rank of each value in each resample, shape (resamples, n)."""
    _, places = np.unique(values, return_inverse=True)
    counts_of_value = np.zeros((places.max() + 1, len(counts)))
    np.add.at(counts_of_value, places, counts.T)
    counts_below = np.cumsum(counts_of_value, axis=0) - counts_of_value
    return (counts_below + (counts_of_value + 1) / 2)[places].T


METRIC = Metric(
    plain=partial(plain_correlation, spearmanr), weighted=weighted, lowest=-100, name="Spearman correlation"
)
