"""Means over seeds with their intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

#: Coverage of every interval.
LEVEL = 0.95


def mean_interval(values: pd.Series) -> pd.Series:
    """Mean and half width of Student's t interval for it.

    Args:
        values: one score per seed.

    Returns:
        ``mean``, ``half`` (0 where there is one seed and so no interval) and ``seeds``.
    """
    count = len(values)
    half = 0.0
    if count > 1:
        half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
    return pd.Series({"mean": values.mean(), "half": half, "seeds": count})
