"""Figure: which tasks hold each unit of the encoder that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from . import style
from .curves import finish, size_text
from .layout import folder_of
from .ticket_masks import label_units
from .tickets import read_tickets, require_alike


def draw_tickets_sharing(results: Path, grid: dict[str, Any], pdf: Path, png: Path) -> None:
    """Draw, for every model, each head and feed-forward block as a field with a stripe for each task that holds it.

    Args:
        results: the results folder, with the tickets of multi-task training.
        grid: what spans the trainings: models, tasks and seeds.
        pdf, png: files to write.
    """
    style.use()
    models, tasks = grid["models"], grid["tasks"]
    held = [shares(results, model, tasks, grid["seeds"]) for model in models]
    heights = [0.9 + 0.2 * len(ffn[0]) for _, ffn in held]
    size = size_text(str(grid["train_sizes"][0]))
    text = (
        f"Encoder: {', '.join(models)}; {size} of each task. Each field is a unit, each stripe a task whose super "
        f"ticket holds it; the paler, the fewer of {len(grid['seeds'])} seeds. An empty field is a unit that no task "
        "holds."
    )
    draw_unit_panels(models, tasks, held, heights, panel, text, pdf, png)


def draw_unit_panels(
    models: Sequence[str],
    tasks: Sequence[str],
    found: Sequence[tuple[np.ndarray, np.ndarray]],
    heights: Sequence[float],
    panel: Callable[[Axes, np.ndarray, np.ndarray, list[tuple[float, ...]]], None],
    text: str,
    pdf: Path,
    png: Path,
) -> None:
    """Draw a panel for each model, one below the other, with a colour for each task.

    Args:
        models, tasks: their names.
        found: of each model what is drawn of heads, shape (tasks, layers, heads), and blocks, (tasks, layers).
        heights: of the panels, in inches.
        panel: draws one, from these and the tasks' colours.
        text: the note below.
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
    for axis, model, values in zip(axes.flat, models, found, strict=True):
        panel(axis, *values, colours)
        if len(models) > 1:
            axis.set_title(model, loc="left")
    patches = [Patch(color=colour, label=task) for colour, task in zip(colours, tasks, strict=True)]
    figure.legend(handles=patches, loc="outside upper center", ncols=min(len(tasks), 8))
    finish(figure, list(axes.flat[:1]), text)
    style.save(figure, pdf, png)


def shares(results: Path, model: str, tasks: list[str], seeds: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Shares of seeds in which a task holds a head, shape (tasks, layers, heads), and a block, (tasks, layers)."""
    heads, ffn = [], []
    runs = [{"model": model, "mode": "super", "seed": seed} for seed in seeds]
    paths = [results / folder_of(run) / "tickets.json" for run in runs]
    found = {path: read_tickets(path, tasks) for path in paths}
    require_alike({f"{path}, task {task}": one for path, held in found.items() for task, one in held.items()})
    for tickets in (list(held.values()) for held in found.values()):
        layers, count = len(tickets[0].heads), tickets[0].heads_per_layer
        heads.append([[[head in kept for head in range(count)] for kept in ticket.heads] for ticket in tickets])
        ffn.append([[layer in ticket.ffn for layer in range(layers)] for ticket in tickets])
    return np.mean(heads, axis=0), np.mean(ffn, axis=0)


def panel(axis: Axes, heads: np.ndarray, ffn: np.ndarray, colours: list[tuple[float, ...]]) -> None:
    """Heads as fields of stripes, layer 1 below, with the feed-forward blocks as a column beside them."""
    tasks, layers, count = heads.shape
    width = 0.88 / tasks
    for task, colour in enumerate(colours):
        columns = [*((head + 1, heads[task, :, head]) for head in range(count)), (count + 2, ffn[task])]
        for place, held in columns:
            left = place - 0.44 + task * width
            for layer, share in enumerate(held):
                pale = tuple(1 - share * (1 - part) for part in colour)
                axis.add_patch(plt.Rectangle((left, layer + 0.58), width, 0.84, facecolor=pale, linewidth=0))
    for place in (*range(1, count + 1), count + 2):
        for layer in range(layers):
            frame = {"fill": False, "edgecolor": "0.75", "linewidth": 0.5}
            axis.add_patch(plt.Rectangle((place - 0.44, layer + 0.58), 0.88, 0.84, **frame))
    axis.set_xlim(0.4, count + 2.6)
    axis.set_ylim(0.4, layers + 0.6)
    label_units(axis, layers, count)
