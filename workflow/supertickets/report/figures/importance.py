"""Figure: importance of each head and feed-forward block, as heat maps, one panel for each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh

from supertickets.experiment.grid import groups_of
from supertickets.experiment.train_sizes import size_text
from supertickets.report.figures import style
from supertickets.report.figures.panels import finish, grid_of_panels, panel_title, set_title
from supertickets.report.figures.units import label_units, mean_importance, method_text

#: Colour maps of heads and of feed-forward blocks, whose scores are normalized apart: from light to dark, so that
#: colour-blind readers and grey prints have the order.
MAPS = {"head": "Blues", "feed-forward block (FFN)": "Oranges"}


def draw_importance(results: Path, grid: dict[str, Any], importance: dict[str, str], pdf: Path, png: Path) -> None:
    """Draw, for every model and task, the mean importance over seeds of each head and feed-forward block.

    Args:
        results: the results folder, with importance scores and the encoders' dimensions.
        grid: the winning tickets at the main size.
        importance: ``method`` and ``weights`` of the importance scores to draw.
        pdf, png: files to write.
    """
    style.use()
    shown = pd.DataFrame(groups_of(grid))
    of_model = {model: mean_importance(results, model, grid, importance) for model in grid["models"]}
    scores = [
        [values[grid["tasks"].index(task)] for values in of_model[model]]
        for model, task in zip(shown["model"], shown["task"], strict=True)
    ]
    layers = max(len(ffn) for _, ffn in scores)
    figure, axes = grid_of_panels(shown, 0.9 + 0.17 * layers, room=1.7)
    limits = [(min(0.0, *map(np.min, part)), max(map(np.max, part))) for part in zip(*scores, strict=True)]
    for axis, (_, group), (heads, ffn) in zip(axes, shown.iterrows(), scores, strict=True):
        meshes = panel(axis, heads, ffn, limits)
        set_title(axis, panel_title(group, shown, []))
    add_keys(figure, axes, meshes)
    count = len(grid["seeds"])
    seeds = f"mean over {count} seeds" if count > 1 else "one seed"
    text = (
        f"Encoder: {', '.join(grid['models'])}. {method_text(importance)}, {seeds}, "
        f"{size_text(str(grid['train_sizes'][0]))}. Scores are normalized over the heads of a layer, and over all "
        "feed-forward blocks (FFN): compare heads within a layer, and blocks with blocks."
    )
    finish(figure, axes, text)
    style.save(figure, pdf, png)


def panel(axis: Axes, heads: np.ndarray, ffn: np.ndarray, limits: list[tuple[float, float]]) -> list[QuadMesh]:
    """Draw the heads as a grid, layer 1 at the bottom, and the blocks as a column beside it.

    Args:
        axis: the axis to draw on.
        heads: importance of heads, shape (layers, heads).
        ffn: importance of blocks, shape (layers,).
        limits: lowest and highest importance of heads in the figure, and of blocks.

    Returns:
        What the colour bars of heads and of blocks explain.
    """
    layers, count = heads.shape
    edges = np.arange(layers + 1) + 0.5
    columns = (np.arange(count + 1) + 0.5, heads), (np.array([count + 1.5, count + 2.5]), ffn[:, None])
    meshes = [
        axis.pcolormesh(places, edges, values, cmap=cmap, vmin=low, vmax=high, edgecolors="0.8", linewidth=0.4)
        for (places, values), cmap, (low, high) in zip(columns, MAPS.values(), limits, strict=True)
    ]
    label_units(axis, layers, count)
    return meshes


def add_keys(figure: plt.Figure, axes: list[Axes], meshes: list[QuadMesh]) -> None:
    """Add a colour bar for heads and one for feed-forward blocks above the panels."""
    for mesh, units in zip(meshes, MAPS, strict=True):
        bar = figure.colorbar(mesh, ax=axes, location="top", shrink=0.45, aspect=30, pad=0.03)
        bar.set_label(f"normalized importance of a {units}", fontsize=8)
        bar.ax.tick_params(labelsize=7)
