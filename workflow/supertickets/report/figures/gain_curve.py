"""Figure: gain of the winning tickets over the full model against weight remaining, one panel for each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.results import read_groups, resampled_text
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import groups_of
from supertickets.report.figures import style
from supertickets.report.figures.axes import placed
from supertickets.report.figures.gains import TWO_SEEDS, draw_gains, no_intervals_text
from supertickets.report.figures.panels import (
    finish,
    folded,
    grid_of_panels,
    margins_text,
    panel_title,
    scored_on,
    set_title,
    undefined,
    weight_axis,
)


def draw_gain_curve(
    results: Path, grid: dict[str, Any], margins: dict[str, float], axis: dict[str, Any], pdf: Path, png: Path
) -> None:
    """Draw ticket minus full model of the same seeds against weight remaining, for every model and task.

    Args:
        results: the results folder, with comparisons and selections.
        grid: the winning tickets at the main size.
        margins: by task the loss, in points, that still counts as kept.
        axis: what stands in the place of weight remaining (:func:`~supertickets.report.figures.axes.placed`).
        pdf, png: files to write.
    """
    compared, chosen = (read_groups(results, folder, groups_of(grid)) for folder in ("comparisons", "selections"))
    places = placed(results, grid, axis, compared[compared["reported"]])
    compared = places.rows
    style.use()
    figure, axes = grid_of_panels(chosen)
    for each, (_, ticket) in zip(axes, chosen.iterrows(), strict=True):
        rows = compared[(compared[MODEL_TASK_SIZE] == ticket[MODEL_TASK_SIZE]).all(axis=1)]
        weight_axis(each, rows["weight_remaining"], places.label)
        panel(each, rows.sort_values("weight_remaining", ascending=False), ticket["ratio"], margins[ticket["task"]])
        each.set_ylabel(folded(f"gain in {metric_of(ticket['metric']).name} (points)", 25))
        set_title(each, panel_title(ticket, chosen))
    finish(figure, axes, note(compared, margins) + places.remark)
    style.save(figure, pdf, png)


def panel(axis: Axes, rows: pd.DataFrame, ratio: float, margin: float) -> None:
    """Draw the gains of one model and task, no gain, and the margin below; the super ticket has this ratio."""
    if rows["difference"].isna().all():
        undefined(axis, "gains")
        return
    draw_margin(axis, margin)
    draw_gains(axis, rows["weight_remaining"], rows, "", style.look("winning", "winning tickets"))
    best = rows[rows["ratio"] == ratio]  # none where no ticket could be chosen
    axis.plot(best["weight_remaining"], best["difference"], **style.STAR)


def draw_margin(axis: Axes, margin: float) -> None:
    """Draw no gain as a line, and the margin below it as a band."""
    grey = style.COLOURS["full"]
    axis.axhline(0, color=grey, linewidth=1, linestyle="--", label="full model")
    axis.axhspan(-margin, 0, color=grey, alpha=0.25, linewidth=0, label="margin")


def note(compared: pd.DataFrame, margins: dict[str, float]) -> str:
    """Write the note of the figure: encoder, seeds, intervals, margins and examples."""
    seeds = compared["seeds"].max()
    over = f"seeds and {resampled_text(compared)}"
    spread = f"Mean over {seeds} seeds with its {LEVEL:.0%} interval over {over}, for each ticket alone."
    if seeds <= 2:
        spread = ("One seed: no intervals.", f"Mean over 2 seeds. {TWO_SEEDS}")[seeds - 1]
    missing = ""
    for task, undefined_ones in compared["difference"].isna().groupby(compared["task"], sort=False):
        if count := undefined_ones.sum():
            missing += f" Not drawn: {count} of {len(undefined_ones)} gains of {task}, as a score of one of the runs"
            missing += " is undefined (the same prediction for all examples)."
    return (
        f"Encoder: {', '.join(compared['model'].unique())}. Ticket minus full model of the same seed. {spread}"
        f"{no_intervals_text(compared, 'ticket')} Margin: the loss that still counts as keeping the score, "
        f"{margins_text(margins, compared['task'].unique())}. The super ticket is chosen on validation examples. "
        f"{scored_on(compared)}{missing}"
    )
