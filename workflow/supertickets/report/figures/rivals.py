"""Figure: winning tickets and rivals against weight, one panel for each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.results import read_groups
from supertickets.evaluation.rivals import read_rivals
from supertickets.experiment.grid import groups_of
from supertickets.report.figures import style
from supertickets.report.figures.gain_curve import note
from supertickets.report.figures.gain_curve import panel as gain_panel
from supertickets.report.figures.gains import intervals
from supertickets.report.figures.panels import finish, folded, grid_of_panels, panel_title, set_title, weight_axis

REMARK = (
    " Other points: rivals, full models of other encoders, minus the model's, at their share of its parameters; those "
    "of about equal weight stand side by side."
)

#: Least horizontal distance of two rivals, as a share of the range of weights.
STEP = 0.03


def draw_rivals(
    results: Path, grid: dict[str, Any], margins: dict[str, float], rivals: dict[str, list[str]], pdf: Path, png: Path
) -> None:
    """Draw ticket minus full model and rival minus full model of the same seeds, for every model and task.

    Args:
        results: the results folder, with comparisons, selections and rivals.
        grid: the winning tickets at the main size.
        margins: by task the loss, in points, that still counts as kept.
        rivals: of each model.
        pdf, png: files to write.
    """
    compared, chosen = (read_groups(results, folder, groups_of(grid)) for folder in ("comparisons", "selections"))
    compared = compared[compared["reported"]]
    others = read_rivals(results, grid).query("baseline == 'full'")
    style.use()
    room = 0.75 + 0.2 * max(map(len, rivals.values()))  # for their names in the legend
    figure, axes = grid_of_panels(chosen, height=2.9, room=room)
    for axis, (_, ticket) in zip(axes, chosen.iterrows(), strict=True):
        curve, points = (
            table[(table[MODEL_TASK_SIZE] == ticket[MODEL_TASK_SIZE]).all(axis=1)] for table in (compared, others)
        )
        curve = curve.sort_values("weight_remaining", ascending=False)
        gain_panel(axis, curve, ticket["ratio"], margins[ticket["task"]])
        draw_points(axis, points, min(curve["weight_remaining"].min(), points["weight"].min()))
        axis.set_xlabel("weight, as a share of the model's")
        axis.set_ylabel(folded(f"gain in {metric_of(ticket['metric']).name} (points)", 25))
        set_title(axis, panel_title(ticket, chosen))
    finish(figure, axes, note(compared, margins) + REMARK)
    style.save(figure, pdf, png)


def draw_points(axis: Axes, points: pd.DataFrame, lightest: float) -> None:
    """Draw each rival of one model and task as a point with its interval.

    Args:
        axis: a panel with the curve of the tickets.
        points: the rivals, against the full model; a rival looks alike in all panels of its model.
        lightest: least weight in the panel.
    """
    heaviest = max(1.0, points["weight"].max())
    weight_axis(axis, pd.Series([lightest, heaviest]))
    looks = style.looks(points["rival"], style.POINT_COLOURS, style.POINT_MARKERS)
    points = points.assign(look=looks).sort_values("weight", ascending=False, kind="stable")
    place = float("inf")
    for (_, rival), bar in zip(points.iterrows(), intervals(points).T, strict=True):
        place = min(rival["weight"], place - STEP * (heaviest - lightest))
        axis.errorbar(
            place, rival["difference"], yerr=bar[:, None], linestyle="none", zorder=3,
            **style.LINE | {"markersize": 5} | rival["look"],
        )  # fmt: skip
