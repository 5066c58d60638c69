"""Correlations for the metrics of regression tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def plain_correlation(correlate: Callable[..., Any], predicted: np.ndarray, true: np.ndarray) -> float:
    """Compute a correlation with SciPy; not-a-number for a single example, as for constant values."""
    if len(true) < 2 or np.ptp(predicted) == 0 or np.ptp(true) == 0:
        return float("nan")
    return correlate(predicted, true).statistic


def weighted_correlation(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute Pearson's correlation in each resample; not-a-number where x or y is constant.

    Args:
        x, y: values, shape (n,) or (resamples, n).
        counts: how often each example is in each resample, shape (resamples, n).
    """
    size = counts.sum(axis=1)

    def mean(values: np.ndarray) -> np.ndarray:
        return (counts * values).sum(axis=1) / size

    covariance = mean(x * y) - mean(x) * mean(y)
    variances = (mean(x**2) - mean(x) ** 2) * (mean(y**2) - mean(y) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variances > 1e-300, covariance / np.sqrt(variances), np.nan)
