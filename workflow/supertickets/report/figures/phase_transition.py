"""Figure: score of the winning tickets against weight remaining, one panel for each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.phases import PHASES, read_phases
from supertickets.evaluation.results import read_curves
from supertickets.report.figures import style
from supertickets.report.figures.axes import placed
from supertickets.report.figures.panels import BAND, curve, full_model, panels, phases_remark

REMARK = (
    BAND + "{dots}. Differences to the full model are paired by seed: see gain_curve. The super ticket is chosen on "
    "validation examples."
)
DOTS = "Dots, right of their mean: single seeds"
#: What stands in for the intervals of two seeds.
PAIRS = "Thin lines join the scores of a seed, its full model first"


def draw_phase_transition(
    results: Path, grid: dict[str, Any], margins: dict[str, float], axis: dict[str, Any], pdf: Path, png: Path
) -> None:
    """Draw score against weight remaining for every model and task.

    Args:
        results: the results folder, with scores, selections and comparisons.
        grid: the winning tickets at the main size.
        margins: by task the loss, in points, that still counts as kept.
        axis: what stands in the place of weight remaining (:func:`~supertickets.report.figures.axes.placed`).
        pdf, png: files to write.
    """
    style.use()
    remark = REMARK.format(dots=PAIRS if len(grid["seeds"]) == 2 else DOTS)
    scores, chosen = read_curves(results, grid)
    chosen = chosen.merge(read_phases(results, grid, margins)[[*MODEL_TASK_SIZE, *PHASES]])
    places = placed(results, grid, axis, scores)
    if chosen["first_ends"].notna().any():
        remark += phases_remark(margins, grid["tasks"], chosen)
    remark += places.remark
    style.save(panels(places.rows, chosen, panel, remark, places=places.label), pdf, png)


def panel(axis: Axes, rows: pd.DataFrame, ticket: pd.Series) -> None:
    """Draw the winning tickets of one model, task and size, and mark the super ticket."""
    full_model(axis, rows)
    if rows["seed"].nunique() == 2:
        paired_lines(axis, rows)
    look = style.look("winning", "winning tickets")
    table = curve(axis, rows[rows["kind"] == "winning"], look, dots=True)
    best = table[table.index == ticket["ratio"]]  # none where no ticket could be chosen
    axis.plot(best["weight"], best["mean"], **style.STAR)


def paired_lines(axis: Axes, rows: pd.DataFrame) -> None:
    """Join the scores of each of two seeds, which show whether the seeds agree where there is no interval to do so."""
    for (seed, scores), dashes in zip(rows.groupby("seed"), ("-", (0, (3, 1.5))), strict=True):
        line = scores.sort_values("weight_remaining", ascending=False)
        axis.plot(
            line["weight_remaining"], line["value"], color=style.COLOURS["winning"], alpha=0.65, linewidth=0.7,
            linestyle=dashes, label=f"seed {seed}", zorder=1.5,
        )  # fmt: skip
        axis.plot(1.0, line["value"].iloc[0], **style.hollow(style.COLOURS["full"], "o") | {"markersize": 3})
