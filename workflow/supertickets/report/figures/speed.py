"""Figure: gain of the winning tickets over the full model against their measured speed-up, one panel for each task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FormatStrFormatter

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.int8 import read_int8
from supertickets.evaluation.latency import (
    SPEEDUP,
    machines_text,
    of_int8,
    place_text,
    read_latency,
    usual,
    variant_name,
)
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.results import read_groups
from supertickets.evaluation.rivals import read_rivals
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import groups_of
from supertickets.experiment.int8 import FULL, SUPER
from supertickets.report.figures import gain_curve, style
from supertickets.report.figures.gains import intervals
from supertickets.report.figures.panels import finish, folded, grid_of_panels, panel_title, set_title, undefined

#: Colours of curves and of rivals, none of which is close to the star's; points alone are pale in pink and yellow.
COLOURS = tuple(style.TASK_COLOURS[place] for place in (0, 2, 9, 6))
RIVAL_COLOURS = tuple(style.TASK_COLOURS[place] for place in (4, 5, 7))
#: What is drawn in int8, by its way, and how.
INT8 = {FULL: "full model in int8", SUPER: "super ticket in int8"}
INT8_COLOURS, INT8_MARKERS = ("black",), ("X", "P")


def draw_speed(
    results: Path,
    grid: dict[str, Any],
    margins: dict[str, float],
    rivals: dict[str, list[str]],
    int8: int,
    pdf: Path,
    png: Path,
) -> None:
    """Draw ticket minus full model against speed-up, for every model and task, a curve for each batch size.

    Rivals and models in int8 are points, by the largest batches.

    Args:
        results: the results folder, with comparisons, selections and latency, and comparisons of rivals and in int8
            where there are any.
        grid: the winning tickets at the main size.
        margins: by task the loss, in points, that still counts as kept.
        rivals: of each model.
        int8: 1 if there are predictions in int8.
        pdf, png: files to write.
    """
    groups = groups_of(grid)
    compared, chosen = (read_groups(results, folder, groups) for folder in ("comparisons", "selections"))
    compared = compared[compared["reported"]]
    table, machines = read_latency(results, groups, rivals=True)
    table = table[table["length"] == table["length"].max()]
    measured = usual(table)
    columns = [*MODEL_TASK_SIZE, "ratio", "batch_size", *SPEEDUP]
    rows = compared.merge(measured[columns], on=[*MODEL_TASK_SIZE, "ratio"])
    largest = measured["batch_size"].max()
    others = in_int8 = pd.DataFrame()
    if any(rivals.values()):
        scored = read_rivals(results, grid).query("baseline == 'full'")
        others = at_speeds(scored.assign(variant=scored["rival"], label=scored["rival"]), measured, largest)
    if int8:
        scored = read_int8(results, grid).dropna(subset="ratio")  # which is missing without a ticket
        names = [variant_name(*pair) for pair in zip(scored["model"], scored["ratio"], strict=True)]
        scored = scored.assign(variant=names, label=scored["way"].map(INT8))
        in_int8 = at_speeds(scored, of_int8(table, measured), largest)
    style.use()
    named = max(map(len, rivals.values())) + len(INT8) * (len(in_int8) > 0)
    figure, axes = grid_of_panels(chosen, room=0.75 + 0.2 * named)  # for names in the legend
    for axis, (_, ticket) in zip(axes, chosen.iterrows(), strict=True):
        own = rows[(rows[MODEL_TASK_SIZE] == ticket[MODEL_TASK_SIZE]).all(axis=1)]
        panel(axis, own.sort_values("ratio"), ticket["ratio"], margins[ticket["task"]])
        for points, *look in ((others, RIVAL_COLOURS, style.POINT_MARKERS[1:]), (in_int8, INT8_COLOURS, INT8_MARKERS)):
            if len(points):
                draw_points(axis, points[(points[MODEL_TASK_SIZE] == ticket[MODEL_TASK_SIZE]).all(axis=1)], *look)
        axis.set_ylabel(folded(f"gain in {metric_of(ticket['metric']).name} (points)", 25))
        set_title(axis, panel_title(ticket, chosen))
    speed = (
        f" Speed-up: the full model's time for a batch over the ticket's, median of {measured['rounds'].max()} rounds "
        f"with its {LEVEL:.0%} interval; {measured['length'].iloc[0]} tokens, {place_text(measured.iloc[0])}, "
        f"{machines_text(machines)}."
    )
    if len(others):
        speed += f" Other points: rivals, full models of other encoders, minus the model's, by batches of {largest}."
    if len(in_int8):
        speed += (
            f" In int8, by onnxruntime and batches of {largest}: minus the full model in its own precision; the "
            "speed-up is the quotient of two medians of different rounds."
        )
    finish(figure, axes, gain_curve.note(compared, margins) + speed)
    style.save(figure, pdf, png)


def panel(axis: Axes, rows: pd.DataFrame, ratio: float, margin: float) -> None:
    """Draw the gains of one model and task against speed-up; the super ticket has this ratio."""
    axis.set_xlabel("speed-up over the full model")
    axis.xaxis.set_major_formatter(FormatStrFormatter("%gx"))
    if rows["difference"].isna().all():
        undefined(axis, "gains")
        return
    gain_curve.draw_margin(axis, margin)
    axis.axvline(1, color=style.COLOURS["full"], linewidth=1, linestyle="--")
    sizes = sorted(rows["batch_size"].unique())
    looks = style.looks([f"batches of {size}" for size in sizes], COLOURS)
    for size, look in zip(sizes, looks, strict=True):
        curve = rows[rows["batch_size"] == size]
        middle, low, high = (curve[name] for name in SPEEDUP)
        across = np.stack([middle - low, high - middle])
        axis.errorbar(middle, curve["difference"], yerr=intervals(curve), xerr=across, **style.LINE, **look)
        best = curve[curve["ratio"] == ratio]  # none where no ticket could be chosen
        axis.plot(best["speedup"], best["difference"], **style.STAR)


def at_speeds(scored: pd.DataFrame, measured: pd.DataFrame, batch_size: int) -> pd.DataFrame:
    """Comparisons with the full model, each ``variant`` with its speed-up by batches of a size."""
    speeds = measured.loc[measured["batch_size"] == batch_size, [*MODEL_TASK_SIZE, "variant", *SPEEDUP]]
    return scored.merge(speeds, on=[*MODEL_TASK_SIZE, "variant"])


def draw_points(axis: Axes, rows: pd.DataFrame, colours: Sequence[Any], markers: Sequence[str]) -> None:
    """Draw each row of one model and task as a point with its intervals; a label looks alike in all panels of a model.

    Args:
        axis: a panel with the curves of the tickets.
        rows: of :func:`at_speeds`, with ``label``.
        colours, markers: of the labels, in turn.
    """
    looks = style.looks(rows["label"], colours, markers)
    for (_, row), gain, look in zip(rows.iterrows(), intervals(rows).T, looks, strict=True):
        middle, low, high = row[list(SPEEDUP)]
        axis.errorbar(
            middle, row["difference"], yerr=gain[:, None], xerr=[[middle - low], [high - middle]], linestyle="none",
            zorder=3, **style.LINE | {"markersize": 5} | look,
        )  # fmt: skip
