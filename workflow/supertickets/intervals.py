"""Means over seeds with their intervals."""

from __future__ import annotations

import pandas as pd
from scipy import stats

from .inference import LEVEL


def mean_intervals(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean and half width of Student's t interval for it, per group of seeds.

    Args:
        scores: column ``value`` holds one score per seed in every group.
        by: columns that make the groups.

    Returns:
        Indexed by ``by``: ``mean``, ``half`` (0 where there is one seed and so no interval) and ``seeds``.
    """
    table = scores.groupby(by)["value"].agg(mean="mean", sem="sem", seeds="count")
    half = stats.t.ppf((1 + LEVEL) / 2, table["seeds"] - 1) * table["sem"]
    return table.assign(half=half.fillna(0.0))[["mean", "half", "seeds"]]
