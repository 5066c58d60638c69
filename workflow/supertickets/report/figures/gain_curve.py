"""Figure: gain of the winning tickets over the full model against weight remaining, one panel for each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.results import read_groups, resampled_text
from supertickets.evaluation.select_ticket import EXPERIMENT
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import groups_of
from supertickets.report.figures import style
from supertickets.report.figures.axes import placed
from supertickets.report.figures.panels import (
    finish,
    folded,
    grid_of_panels,
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
    compared, chosen = (read_groups(results, folder, groups_of(grid), grid) for folder in ("comparisons", "selections"))
    places = placed(results, grid, axis, compared[compared["reported"]])
    compared = places.rows
    style.use()
    figure, axes = grid_of_panels(chosen)
    for each, (_, ticket) in zip(axes, chosen.iterrows(), strict=True):
        rows = compared[(compared[EXPERIMENT] == ticket[EXPERIMENT]).all(axis=1)]
        weight_axis(each, rows["weight_remaining"], places.label)
        panel(each, rows.sort_values("weight_remaining", ascending=False), ticket["ratio"], margins[ticket["task"]])
        each.set_ylabel(folded(f"gain in {metric_of(ticket['metric']).name} (points)", 25))
        set_title(each, panel_title(ticket, chosen))
    finish(figure, axes, note(compared, margins) + places.remark)
    style.save(figure, pdf, png)


def panel(axis: Axes, rows: pd.DataFrame, ratio: float, margin: float) -> None:
    """Draw the gains of one model and task, no gain, and the margin below; the super ticket has this ratio."""
    if rows["difference"].isna().all():
        undefined(axis)
        return
    draw_margin(axis, margin)
    look = style.look("winning", "winning tickets")
    axis.errorbar(rows["weight_remaining"], rows["difference"], yerr=intervals(rows), **style.LINE, **look)
    best = rows[rows["ratio"] == ratio]  # none where no ticket could be chosen
    axis.plot(best["weight_remaining"], best["difference"], **style.STAR)


def draw_margin(axis: Axes, margin: float) -> None:
    """Draw no gain as a line, and the margin below it as a band."""
    grey = style.COLOURS["full"]
    axis.axhline(0, color=grey, linewidth=1, linestyle="--", label="full model")
    axis.axhspan(-margin, 0, color=grey, alpha=0.25, linewidth=0, label="margin")


def intervals(rows: pd.DataFrame) -> np.ndarray:
    """Lengths of the intervals of differences below and above, shape (2, rows).

    With one seed there are none; one of two seeds is longer than any scale.
    """
    bars = np.stack([rows["difference"] - rows["low"], rows["high"] - rows["difference"]])
    return np.where(rows["seeds"] > 2, np.nan_to_num(bars), 0.0)


def note(compared: pd.DataFrame, margins: dict[str, float]) -> str:
    """Write the note of the figure: encoder, seeds, intervals, margins and examples."""
    seeds = compared["seeds"].max()
    over = f"seeds and {resampled_text(compared)}"
    spread = f"Mean over {seeds} seeds with its {LEVEL:.0%} interval over {over}, for each ticket alone."
    if seeds <= 2:
        spread = ("One seed: no intervals.", "Mean over 2 seeds, whose intervals are too long to be drawn.")[seeds - 1]
    of_tasks = {task: f"{margins[task]:g}" for task in compared["task"].unique()}
    alike = len({*of_tasks.values()}) == 1
    points = min(of_tasks.values()) if alike else ", ".join(f"{margin} ({task})" for task, margin in of_tasks.items())
    counts = compared[compared["difference"].isna()].groupby("task", sort=False).size()
    missing = "".join(f" Not drawn: {count} tickets of {task} with undefined scores." for task, count in counts.items())
    return (
        f"Encoder: {', '.join(compared['model'].unique())}. Ticket minus full model of the same seed. {spread} Margin: "
        f"the loss that still counts as keeping the score, in points: {points}. The super ticket is chosen on "
        f"validation examples. {scored_on(compared)}{missing}"
    )
