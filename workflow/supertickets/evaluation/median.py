"""Medians with intervals that assume no distribution."""

from __future__ import annotations

import numpy as np
from scipy import stats


def median_interval(values: np.ndarray, level: float) -> tuple[float, float, float]:
    """Compute the median of independent values and its interval.

    The interval goes from the k-th smallest to the k-th largest value. It misses the distribution's median where fewer
    than k values are on one side of it, and each value is on either side with probability 1/2, whatever the
    distribution. So k is the largest rank that misses in at most as many cases as the level leaves: 10 of 30 values for
    95%, which covers 95.7%. Source: David and Nagaraja, Order Statistics, 3rd edition, 2003, section 7.1.

    Args:
        values: shape (n,).
        level: share of the intervals that hold the median, at least.

    Returns:
        The median, and the low and high end, which are not-a-number for too few values:
        fewer than six for 95%.
    """
    ordered, tail = np.sort(values), (1 - level) / 2
    k = int(stats.binom.ppf(tail, len(values), 0.5))  # counts below it are rarer than that
    low, high = (ordered[k - 1], ordered[-k]) if k else (np.nan, np.nan)
    return float(np.median(ordered)), float(low), float(high)
