"""Metrics of examples that count several times: what a bootstrap over examples needs, for many resamples at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: From predictions and references, shape (n,), and counts, shape (resamples, n), a score for each resample.
Weighted = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def accuracy(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Share of right predictions."""
    return counts @ (predicted == true) / counts.sum(axis=1)


def f1(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """F1 of class 1; 0 where there is none."""
    total = counts @ (predicted == 1) + counts @ (true == 1)
    return 2 * (counts @ ((predicted == 1) & (true == 1))) / np.maximum(total, 1)


def matthews(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Matthews' correlation for any number of classes; 0 where one side is constant (Gorodkin 2004)."""
    classes = np.union1d(predicted, true)
    found, expected = (counts @ (values[:, None] == classes) for values in (predicted, true))
    size = counts.sum(axis=1)
    covariance = (counts @ (predicted == true)) * size - (found * expected).sum(axis=1)
    spread = (size**2 - (found**2).sum(axis=1)) * (size**2 - (expected**2).sum(axis=1))
    return np.where(spread > 0, covariance / np.sqrt(np.maximum(spread, 1)), 0.0)


def pearson(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Pearson's correlation; not-a-number where one side is constant."""
    return _correlation(predicted - predicted.mean(), true - true.mean(), counts)


def spearman(predicted: np.ndarray, true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Spearman's correlation: Pearson's of mean ranks within each resample."""
    return _correlation(_ranks(predicted, counts), _ranks(true, counts), counts)


def _correlation(one: np.ndarray, other: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Weighted correlation of values of shape (n,), or (resamples, n)."""
    size = counts.sum(axis=1)

    def mean(values: np.ndarray) -> np.ndarray:
        return (counts * values).sum(axis=1) / size

    covariance = mean(one * other) - mean(one) * mean(other)
    spread = (mean(one**2) - mean(one) ** 2) * (mean(other**2) - mean(other) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 1e-300, covariance / np.sqrt(spread), np.nan)


def _ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean rank of each value in each resample, shape (resamples, n)."""
    _, place = np.unique(values, return_inverse=True)
    of_value = np.zeros((place.max() + 1, len(counts)))
    np.add.at(of_value, place, counts.T)
    below = np.cumsum(of_value, axis=0) - of_value
    return (below + (of_value + 1) / 2)[place].T


WEIGHTED: dict[str, Weighted] = {
    "accuracy": accuracy,
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
}
