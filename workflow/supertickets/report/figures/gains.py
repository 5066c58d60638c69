"""Gains with their intervals, for the figures of gains over the full model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from supertickets.evaluation.columns import documents_in
from supertickets.report.figures import style

#: What is drawn in place of the intervals of two seeds, which are too long to be shown.
TWO_SEEDS = "Small points: single seeds, as the intervals of two are too long to be drawn."


def intervals(table: pd.DataFrame, way: str = "") -> np.ndarray:
    """Lengths of the intervals of gains below and above, shape (2, rows); 0 for fewer than three seeds.

    With one seed there are none; those of two seeds are too long to be shown. Arguments as of :func:`draw_gains`.
    """
    gain = table[f"difference{way}"]
    ends = np.stack([gain - table[f"low{way}"], table[f"high{way}"] - gain])
    return np.where(table["seeds"] > 2, np.nan_to_num(ends), 0.0)


def draw_gains(axis: Axes, places: pd.Series, table: pd.DataFrame, way: str, look: Mapping[str, Any]) -> None:
    """Draw gains with their intervals; those of two seeds have the points of the seeds instead.

    Args:
        axis: the axis to draw on.
        places: horizontal place of each gain.
        table: ``seeds``, and with the suffix ``way`` the columns ``difference``, ``low``, ``high`` and ``seeds_error``.
        way: suffix of these columns, which may be empty.
        look: options of the line, its ``color`` among them.
    """
    gain = table[f"difference{way}"]
    axis.errorbar(places, gain, yerr=intervals(table, way), **style.LINE | look)
    two = table["seeds"] == 2
    for sign in (-1, 1):  # the standard error of two seeds is the distance of each from their mean
        seeds = gain + sign * table[f"seeds_error{way}"]
        axis.scatter(places[two], seeds[two], s=9, color=look["color"], edgecolors="white", linewidth=0.5, zorder=4)


def no_intervals_text(table: pd.DataFrame, what: str, way: str = "") -> str:
    """Say why some gains of three seeds or more have no interval, as sentences for a note; empty if all have one.

    Args:
        table: rows of tasks as of :func:`draw_gains`, with ``task``, ``examples`` and ``documents`` of any.
        what: name of a row, in the singular.
        way: suffix of the columns.
    """
    bare = table[(table["seeds"] > 2) & table[f"difference{way}"].notna() & table[f"low{way}"].isna()]
    text = ""
    for task, rows in bare.groupby("task", sort=False):
        reason = "the gain is the same for all seeds and examples"
        if "examples" in rows and (documents_in(rows) == 1).all():
            reason = "all examples are one document"
        text += f" No interval: {len(rows)} {what}{'s' * (len(rows) > 1)} of {task}, as {reason}."
    return text
