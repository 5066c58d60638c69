"""Figure: scores of several kinds of tickets against weight remaining, one panel for each task."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.phases import PHASES, read_phases
from supertickets.evaluation.results import read_curves
from supertickets.report.figures import style
from supertickets.report.figures.panels import BAND, curve, full_model, panels, phases_remark, side_by_side

REMARK = BAND + "Tickets of equal ratios are drawn side by side."
#: What stands in for the intervals of two seeds.
DOTS = " Dots: single seeds."


def draw_ticket_kinds(results: Path, grid: dict[str, Any], margins: dict[str, float], pdf: Path, png: Path) -> None:
    """Draw score against weight remaining of every kind of ticket, for every model and task.

    Args:
        results: the results folder, with scores, selections, comparisons and contrasts.
        grid: all kinds at the main size.
        margins: by task the loss, in points, that still counts as kept.
        pdf, png: files to write.
    """
    style.use()
    scores, chosen = read_curves(results, grid)
    chosen = chosen.merge(read_phases(results, grid, margins)[[*MODEL_TASK_SIZE, *PHASES]])
    remark = REMARK + DOTS * (len(grid["seeds"]) == 2)
    if chosen["first_ends"].notna().any():
        remark += phases_remark(margins, grid["tasks"], chosen, "random" in grid["kinds"])
    style.save(panels(scores, chosen, partial(panel, grid["kinds"]), remark), pdf, png)


def panel(kinds: list[str], axis: Axes, rows: pd.DataFrame, ticket: pd.Series) -> None:
    """Draw the curve of each kind for one model, task and size, side by side where weights are equal."""
    full_model(axis, rows)
    two = rows["seed"].nunique() == 2
    for kind, shift in zip(kinds, side_by_side(rows, len(kinds)), strict=True):
        curve(axis, rows[rows["kind"] == kind], style.look(kind, kind.replace("_", " "), kinds), shift, dots=two)
