"""What the metrics of regressions share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def plain_correlation(correlate: Callable[..., Any], predicted: np.ndarray, true: np.ndarray) -> float:
    """A correlation of SciPy's; not-a-number for one example, as for constant values."""
    return correlate(predicted, true).statistic if len(true) > 1 else float("nan")


def weighted_correlation(one: np.ndarray, other: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Pearson's correlation in each resample; not-a-number where one side is constant.

    Args:
        one, other: values, shape (n,) or (resamples, n).
        counts: how often each example is in each resample, shape (resamples, n).
    """
    size = counts.sum(axis=1)

    def mean(values: np.ndarray) -> np.ndarray:
        return (counts * values).sum(axis=1) / size

    covariance = mean(one * other) - mean(one) * mean(other)
    spread = (mean(one**2) - mean(one) ** 2) * (mean(other**2) - mean(other) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 1e-300, covariance / np.sqrt(spread), np.nan)
