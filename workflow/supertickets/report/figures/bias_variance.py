"""Figure: bias and variance of the loss against weight remaining, one panel for each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from supertickets.evaluation.results import read_groups, resampled_text
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import groups_of
from supertickets.report.figures import style
from supertickets.report.figures.panels import finish, grid_of_panels, panel_title, scored_on, set_title, weight_axis

#: Names of the parts of a loss in the legend.
PARTS = {"loss": "expected loss", "bias": "bias (squared)", "variance": "variance"}


def draw_bias_variance(results: Path, grid: dict[str, Any], pdf: Path, png: Path) -> None:
    """Draw loss, bias and variance for every model and task.

    Args:
        results: the results folder, with decompositions.
        grid: the winning tickets at the main size.
        pdf, png: files to write.
    """
    table = read_groups(results, "decompositions", groups_of(grid))
    style.use()
    shown = table[table["loss"] != "zero-one loss"]
    groups = list(shown.groupby(["model", "task", "train_size"], sort=False))
    figure, axes = grid_of_panels(shown.drop_duplicates(["model", "task", "train_size"]))
    for axis, (_, rows) in zip(axes, groups, strict=True):
        panel(axis, rows)
        set_title(axis, panel_title(rows.iloc[0], shown))
    finish(figure, axes, note(shown))
    style.save(figure, pdf, png)


def panel(axis: Axes, rows: pd.DataFrame) -> None:
    """Draw the parts of the loss of one model and task; the full model is the first point, drawn hollow."""
    for (part, label), look in zip(PARTS.items(), style.looks(PARTS.values(), style.OTHER_COLOURS), strict=True):
        line = rows[rows["part"] == part].sort_values("weight_remaining", ascending=False)
        # Where the variance is small, the loss covers the bias; with dashes both lines are visible.
        look |= {"label": label, "linestyle": "--" if part == "loss" else "-", "zorder": 3 if part == "loss" else 2}
        axis.errorbar(line["weight_remaining"], line["value"], yerr=line["half"], **style.LINE, **look)
        full = line[line["kind"] == "full"]
        axis.plot(full["weight_remaining"], full["value"], **style.hollow(look["color"], look["marker"]))
    axis.set_ylabel(f"{rows['split'].iloc[0]} {rows['loss'].iloc[0]}")
    axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]))
    weight_axis(axis, rows["weight_remaining"])


def note(table: pd.DataFrame) -> str:
    """Write the note of the figure: encoder, seeds, definitions, intervals and examples."""
    return (
        f"Encoder: {', '.join(table['model'].unique())}. Over {table['runs'].max()} seeds, which determine training "
        "examples, initial task head, order and dropout. Loss = bias + variance; the estimates are unbiased for any "
        f"number of seeds. The bias includes the irreducible error. Bars: {LEVEL:.0%} interval over "
        f"{resampled_text(table)}, for fixed runs. Hollow points: the full model. {scored_on(table)}"
    )
