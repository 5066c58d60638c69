"""Figure: score of the winning tickets against weight remaining, one panel for each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from supertickets.evaluation.results import read_curves
from supertickets.report.figures import style
from supertickets.report.figures.panels import BAND, curve, full_model, panels

REMARK = BAND + "Dots: single seeds. The super ticket is chosen on validation examples."


def draw_phase_transition(results: Path, grid: dict[str, Any], pdf: Path, png: Path) -> None:
    """Draw score against weight remaining for every model and task.

    Args:
        results: the results folder, with scores, selections and comparisons.
        grid: the winning tickets at the main size.
        pdf, png: files to write.
    """
    style.use()
    style.save(panels(*read_curves(results, grid), panel, REMARK), pdf, png)


def panel(axis: Axes, rows: pd.DataFrame, ticket: pd.Series) -> None:
    """Draw the winning tickets of one model, task and size, and mark the super ticket."""
    full_model(axis, rows)
    look = style.look("winning", "winning tickets")
    table = curve(axis, rows[rows["kind"] == "winning"], look, dots=True)
    best = table[table.index == ticket["ratio"]]  # none where no ticket could be chosen
    axis.plot(
        best["weight"], best["mean"], marker="*", markersize=11, linestyle="none", color=style.COLOURS["super"],
        markeredgecolor="white", markeredgewidth=0.6, zorder=5, label="super ticket (chosen on validation)",
    )  # fmt: skip
