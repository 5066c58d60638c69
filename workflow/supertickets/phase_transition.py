"""Figure: test score of the winning tickets against weight remaining, one panel a task."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from . import style
from .curves import curve, draw_curves

REMARK = "Dots: single seeds. The super ticket is chosen on validation sentences."


def draw_phase_transition(scores: Path, tickets: Path, pdf: Path, png: Path) -> None:
    """Draw score against weight remaining for every model, task and size.

    Args:
        scores: ``scores.parquet``.
        tickets: ``super_tickets.csv``; it names the metric and the chosen ticket of each panel.
        pdf, png: files to write.
    """
    draw_curves(scores, tickets, ["winning"], panel, REMARK, (pdf, png))


def panel(axis: Axes, rows: pd.DataFrame, ticket: pd.Series) -> None:
    """Draw the winning tickets of one model, task and size and mark the super ticket."""
    best = curve(axis, rows, "winning", "winning tickets", dots=True).loc[ticket["ratio"]]
    axis.plot(
        best["weight"], best["mean"], marker="*", markersize=11, linestyle="none", color=style.COLOURS["super"],
        markeredgecolor="white", markeredgewidth=0.6, zorder=5, label="super ticket (chosen on validation)",
    )  # fmt: skip
