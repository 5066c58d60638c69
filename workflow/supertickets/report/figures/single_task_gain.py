"""Figure: gain over the full model and weight remaining of each task's super ticket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from supertickets.evaluation.gain import HONEST
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.results import read_groups, resampled_text
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import groups_of
from supertickets.experiment.train_sizes import size_text
from supertickets.report.figures import style
from supertickets.report.figures.gains import TWO_SEEDS, draw_gains
from supertickets.report.figures.panels import finish
from supertickets.report.tables.formats import reported_splits_text

#: Style of names that are too long to fit side by side.
SLANTED = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}


def draw_single_task_gain(results: Path, grid: dict[str, Any], pdf: Path, png: Path) -> None:
    """Draw gain (above) and weight remaining (below) of the super ticket of every model and task.

    Args:
        results: the results folder, with selections.
        grid: the winning tickets at the main size.
        pdf, png: files to write.
    """
    main = read_groups(results, "selections", groups_of(grid))
    style.use()
    names = main["task"] if main["model"].nunique() == 1 else main["model"] + ", " + main["task"]
    longest = names.str.len().max()
    slanted = longest > 10
    width = max(style.PANEL_WIDTH + 0.6, (0.5 if slanted else 0.75) * len(main) + 1.2)
    size = (width, 4.4 + 0.04 * longest * slanted)
    figure, (gain, weight) = plt.subplots(2, 1, sharex=True, figsize=size, layout="constrained", height_ratios=[2, 1])
    gains(gain, main)
    weight.bar(main.index, main["weight_remaining"], width=0.5, color=style.COLOURS["winning"])
    weight.set_ylabel("weight\nremaining")
    weight.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    weight.set_ylim(0, 1)
    weight.set_xticks(main.index, names, **(SLANTED if slanted else {}))
    weight.set_xlim(-0.6, len(main) - 0.4)
    weight.grid(False, axis="x")
    finish(figure, [gain], note(main, grid))
    style.save(figure, pdf, png)


def gains(axis: Axes, table: pd.DataFrame) -> None:
    """Draw the gains with their intervals, reported as published and in the honest way."""
    axis.axhline(0, color=style.COLOURS["full"], linewidth=1, linestyle="--")
    labels = ["chosen and reported on the same runs and examples", "chosen by other runs on other examples"]
    ways = zip(style.looks(labels, style.OTHER_COLOURS), (-0.12, 0.12), ("same_split", HONEST), strict=False)
    for look, shift, way in ways:
        places = table.index.to_series() + shift
        draw_gains(axis, places, table, f"_{way}", look | {"linestyle": "none"})
    axis.set_ylabel("gain (points)")
    axis.grid(False, axis="x")


def note(table: pd.DataFrame, grid: dict[str, Any]) -> str:
    """Write the note of the figure: encoder, size, seeds, intervals and metrics."""
    by_metric = table.groupby("metric", sort=False)["task"].unique()
    metrics = ", ".join(f"{metric_of(metric).name} ({', '.join(tasks)})" for metric, tasks in by_metric.items())
    seeds = len(grid["seeds"])
    bars = f"; bars: {LEVEL:.0%} interval over seeds and {resampled_text(table)}."
    if seeds <= 2:
        bars = ("; one seed has no intervals.", f". {TWO_SEEDS}")[seeds - 1]
    undefined = table.loc[table["ratio"].isna(), "task"].unique()
    missing = f" No super ticket, as scores are undefined: {', '.join(undefined)}." if len(undefined) else ""
    return (
        f"Encoder: {', '.join(table['model'].unique())}; {size_text(table['train_size'].iloc[0])}. Super ticket minus "
        f"full model, mean over {seeds} seed{'s' * (seeds > 1)}{bars} Metrics: {metrics}.{missing} Scores on the "
        "examples that a ticket was chosen on flatter it. The others: each seed's ticket is chosen by the other seeds "
        f"on validation, and reported on the {reported_splits_text(table)}, half by half where that is validation."
    )
