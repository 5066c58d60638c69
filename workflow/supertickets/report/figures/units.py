"""Panels that show all heads and feed-forward blocks of an encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from supertickets.encoder.ticket import Shape, Ticket
from supertickets.experiment.paths import IMPORTANCE, SHAPE
from supertickets.report.figures import style
from supertickets.report.figures.panels import add_legend, finish
from supertickets.tickets.importance_table import read_importance


def label_units(axis: Axes, layers: int, count: int) -> None:
    """Label the axes of a panel: layers, heads, and feed-forward blocks two places after the last head."""
    step = -(-count // (12 if axis.get_gridspec().ncols <= 2 else 6))
    axis.set_xticks([*range(1, count + 1, step), count + 2], [*range(1, count + 1, step), "FFN"])
    axis.set_yticks(range(1, layers + 1, -(-layers // 12)))
    axis.set_xlabel("head")
    axis.set_ylabel("layer")
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def mean_importance(
    results: Path, model: str, grid: dict[str, Any], importance: dict[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """Average normalized scores over seeds: of heads, shape (tasks, layers, heads), and blocks, (tasks, layers)."""
    shape = Shape.read(results / SHAPE.format(model=model), 1)
    full = Ticket.full(shape.layers, shape.heads)
    heads, ffn = [], []
    for task in grid["tasks"]:
        trial = {"model": model, "task": task, "train_size": grid["train_sizes"][0], "weights": importance["weights"]}
        paths = [results / IMPORTANCE.format(**trial, seed=seed) for seed in grid["seeds"]]
        scores = [read_importance(path, importance["method"], full) for path in paths]
        heads.append(np.mean([seed_scores["head"] for seed_scores in scores], axis=0))
        ffn.append(np.mean([seed_scores["ffn"] for seed_scores in scores], axis=0))
    return np.stack(heads), np.stack(ffn)


def method_text(importance: dict[str, str]) -> str:
    """Name a method of importance and the weights that it scores, at the beginning of a sentence."""
    return f"{importance['method'].capitalize()} of the {importance['weights'].replace('_', '-')} weights"


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
