"""Figure: which tasks hold each unit of a shared encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from supertickets.encoder.ticket import read_tickets
from supertickets.experiment.paths import folder_of, shared_name
from supertickets.experiment.train_sizes import size_text
from supertickets.report.figures import style
from supertickets.report.figures.units import draw_unit_panels, label_units


def draw_tickets_sharing(results: Path, grid: dict[str, Any], pdf: Path, png: Path) -> None:
    """Draw, for every model, each head and feed-forward block as a field with a stripe for each task that holds it.

    Args:
        results: the results folder, with the tickets of multi-task training.
        grid: the axes of the trainings: models, tasks and seeds.
        pdf, png: files to write.
    """
    style.use()
    models, tasks = grid["models"], grid["tasks"]
    shares = [ticket_shares(results, model, tasks, grid["seeds"]) for model in models]
    heights = [0.9 + 0.2 * len(ffn[0]) for _, ffn in shares]
    size = size_text(str(grid["train_sizes"][0]))
    text = (
        f"Encoder: {', '.join(models)}; {size} of each task. Each field is a unit, each stripe a task whose super "
        f"ticket holds the unit; paler stripes: in the tickets of some of {len(grid['seeds'])} seeds. Empty "
        "fields are units that no task holds."
    )
    draw_unit_panels(models, tasks, shares, heights, panel, text, pdf, png)


def ticket_shares(results: Path, model: str, tasks: list[str], seeds: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Compute the share of seeds in which tasks hold units.

    Returns:
        Shares of heads, shape (tasks, layers, heads), and of feed-forward blocks, shape (tasks, layers).
    """
    heads, ffn = [], []
    runs = [{"shared": shared_name(tasks), "model": model, "mode": "super", "seed": seed} for seed in seeds]
    paths = [results / folder_of(run) / "tickets.json" for run in runs]
    for path in paths:
        of_tasks = list(read_tickets(path, tasks).values())
        layers, count = len(of_tasks[0].heads), of_tasks[0].heads_per_layer
        heads.append(
            [
                [[head in heads_of_layer for head in range(count)] for heads_of_layer in ticket.heads]
                for ticket in of_tasks
            ]
        )
        ffn.append([[layer in ticket.ffn for layer in range(layers)] for ticket in of_tasks])
    return np.mean(heads, axis=0), np.mean(ffn, axis=0)


def panel(axis: Axes, heads: np.ndarray, ffn: np.ndarray, colours: list[tuple[float, ...]]) -> None:
    """Draw heads as fields of stripes, layer 1 at the bottom, and the feed-forward blocks as a column beside them."""
    tasks, layers, count = heads.shape
    width = 0.88 / tasks
    for task, colour in enumerate(colours):
        columns = [*((head + 1, heads[task, :, head]) for head in range(count)), (count + 2, ffn[task])]
        for place, shares in columns:
            left = place - 0.44 + task * width
            for layer, share in enumerate(shares):
                pale = tuple(1 - share * (1 - part) for part in colour)
                axis.add_patch(plt.Rectangle((left, layer + 0.58), width, 0.84, facecolor=pale, linewidth=0))
    for place in (*range(1, count + 1), count + 2):
        for layer in range(layers):
            frame = {"fill": False, "edgecolor": "0.75", "linewidth": 0.5}
            axis.add_patch(plt.Rectangle((place - 0.44, layer + 0.58), 0.88, 0.84, **frame))
    axis.set_xlim(0.4, count + 2.6)
    axis.set_ylim(0.4, layers + 0.6)
    label_units(axis, layers, count)
