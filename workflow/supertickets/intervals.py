"""Means over seeds with their intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

#: Coverage of every interval.
LEVEL = 0.95


def mean_intervals(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean and half width of Student's t interval for it, per group of seeds.

    The variance between seeds is pooled over the groups (as in an analysis of variance), since a few seeds a group
    tell little of it on their own: the interval has as many degrees of freedom as all groups together.

    Args:
        scores: column ``value`` holds one score per seed in every group.
        by: columns that make the groups.

    Returns:
        Indexed by ``by``: ``mean``, ``half`` (0 where no group has two seeds and so there is no interval), ``seeds``.
    """
    table = scores.groupby(by)["value"].agg(mean="mean", var="var", seeds="count")
    freedom = table["seeds"] - 1
    if freedom.sum() == 0:
        return table.assign(half=0.0)[["mean", "half", "seeds"]]
    pooled = (freedom * table["var"].fillna(0.0)).sum() / freedom.sum()
    half = stats.t.ppf((1 + LEVEL) / 2, freedom.sum()) * np.sqrt(pooled / table["seeds"])
    return table.assign(half=half)[["mean", "half", "seeds"]]
