"""Figure: the phase transition for several numbers of training examples, one panel for each task."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from supertickets.evaluation.results import read_curves
from supertickets.experiment.grid import main_size
from supertickets.experiment.train_sizes import size_text
from supertickets.report.figures import style
from supertickets.report.figures.panels import curve, panels, side_by_side
from supertickets.report.figures.ticket_kinds import DOTS

REMARK = (
    "Hollow points: the full model. Each seed draws its own training examples; smaller sets are subsets of larger "
    "ones. Points of equal weight are drawn side by side."
)


def draw_data_size(results: Path, grid: dict[str, Any], pdf: Path, png: Path) -> None:
    """Draw score against weight remaining of the winning tickets at every size, for every model and task.

    Args:
        results: the results folder, with scores, selections and comparisons.
        grid: the winning tickets at all sizes.
        pdf, png: files to write.
    """
    scores, chosen = read_curves(results, grid)
    several = chosen.groupby(["model", "task"])["train_size"].transform("nunique") > 1
    several |= not several.any()  # all are drawn where there is one size
    main = chosen[several & (chosen["train_size"] == str(main_size(grid["train_sizes"])))]
    style.use()
    draw = partial(panel, by_number(scores))
    remark = REMARK + DOTS * (len(grid["seeds"]) == 2)
    style.save(panels(scores, main, draw, remark, ["model", "task"]), pdf, png)


def by_number(scores: pd.DataFrame) -> list[str]:
    """Sort the sizes of a table of scores from the smallest: numbers, then shares, then ``all``."""
    sizes = scores["train_size"].unique().tolist()
    return sorted(sizes, key=lambda size: (size == "all", "." in size, float(size) if size != "all" else 0.0))


def panel(sizes: list[str], axis: Axes, rows: pd.DataFrame, ticket: pd.Series) -> None:
    """Draw one curve for each size; the full model is the first point, drawn hollow."""
    palette = sns.color_palette("viridis", len(sizes) + 1)[: len(sizes)]  # without the yellow end
    looks = style.looks([size_text(size) for size in sizes], palette)
    two = rows["seed"].nunique() == 2
    for size, look, shift in zip(sizes, looks, side_by_side(rows, len(sizes)), strict=True):
        if size not in {*rows["train_size"]}:
            continue
        table = curve(axis, rows[rows["train_size"] == size], look, shift, dots=two)
        axis.plot(1.0 + shift, table.loc[0.0, "mean"], **style.hollow(look["color"], look["marker"]))
