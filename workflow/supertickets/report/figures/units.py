"""Panels that show all heads and feed-forward blocks of an encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from supertickets.report.figures import style
from supertickets.report.figures.panels import add_legend, finish


def label_units(axis: Axes, layers: int, count: int) -> None:
    """Label the axes of a panel: layers, heads, and feed-forward blocks two places after the last head."""
    step = -(-count // 12)
    axis.set_xticks([*range(1, count + 1, step), count + 2], [*range(1, count + 1, step), "FFN"])
    axis.set_yticks(range(1, layers + 1, -(-layers // 12)))
    axis.set_xlabel("head")
    axis.set_ylabel("layer")
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def draw_unit_panels(
    models: Sequence[str],
    tasks: Sequence[str],
    values_by_model: Sequence[tuple[np.ndarray, np.ndarray]],
    heights: Sequence[float],
    panel: Callable[[Axes, np.ndarray, np.ndarray, list[style.Colour]], None],
    text: str,
    pdf: Path,
    png: Path,
) -> None:
    """Draw a panel for each model, one below the other, with a colour for each task.

    Args:
        models, tasks: names of the models and tasks.
        values_by_model: for each model, values of heads, shape (tasks, layers, heads), and of feed-forward blocks,
            shape (tasks, layers).
        heights: heights of the panels in inches.
        panel: function that draws one panel, from the values of heads and blocks and the tasks' colours.
        text: the note below the panels.
        pdf, png: files to write.
    """
    figure, axes = plt.subplots(
        len(models),
        1,
        squeeze=False,
        figsize=(2 * style.PANEL_WIDTH, sum(heights) + 0.9),
        layout="constrained",
        height_ratios=heights,
    )
    colours = [to_rgb(look["color"]) for look in style.looks(tasks, style.TASK_COLOURS)]
    for axis, model, (heads, ffn) in zip(axes.flat, models, values_by_model, strict=True):
        panel(axis, heads, ffn, colours)
        if len(models) > 1:
            axis.set_title(model, loc="left")
    patches = [Patch(color=colour) for colour in colours]
    add_legend(figure, patches, [*tasks])
    finish(figure, list(axes.flat[:1]), text)
    style.save(figure, pdf, png)
