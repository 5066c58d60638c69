"""Figure: importance of each unit for all tasks together, and for each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Wedge

from supertickets.experiment.train_sizes import size_text
from supertickets.report.figures import style
from supertickets.report.figures.units import draw_unit_panels, label_units, mean_importance, method_text

#: Radius of the largest pie; units are drawn at a distance of 1.
RADIUS = 0.47


def draw_ticket_importance(
    results: Path, grid: dict[str, Any], importance: dict[str, str], pdf: Path, png: Path
) -> None:
    """Draw, for every model, each head and feed-forward block as a pie of the tasks' shares in its importance.

    Args:
        results: the results folder, with importance scores and the encoders' dimensions.
        grid: models, tasks, the train size and seeds.
        importance: ``method`` and ``weights`` of the importance scores to draw.
        pdf, png: files to write.
    """
    style.use()
    models, tasks = grid["models"], grid["tasks"]
    scores_by_model = [mean_importance(results, model, grid, importance) for model in models]
    labels = 0.25 if len(models) == 1 else 0.6  # of the axis, and titles
    heights = [labels + pies_height(*heads.shape[1:]) for heads, _ in scores_by_model]
    text = (
        f"Encoder: {', '.join(models)}. {method_text(importance)}, normalized over the heads of a layer and over all "
        f"feed-forward blocks (FFN); means over {len(grid['seeds'])} seeds, {size_text(str(grid['train_sizes'][0]))}. "
        "The area of a pie is the sum over tasks, scaled so that the largest head and the largest block have equal "
        "areas. A slice is the share of a task."
    )
    draw_unit_panels(models, tasks, scores_by_model, heights, panel, text, pdf, png)


def pies_height(layers: int, count: int) -> float:
    """Height in inches of a panel whose units are as far apart in height as in width, without labels."""
    return (2 * style.PANEL_WIDTH - 0.4) * (layers + 0.2) / (count + 2.2)  # the limits that panel() sets


def panel(axis: Axes, heads: np.ndarray, ffn: np.ndarray, colours: list[tuple[float, ...]]) -> None:
    """Draw a pie for each head, layer 1 at the bottom, and the feed-forward blocks as a column beside the heads."""
    _, layers, count = heads.shape
    wedges: list[Wedge] = []
    faces: list[tuple[float, ...]] = []
    for place, shares, largest in [
        *((head + 1, heads[:, :, head], heads.sum(axis=0).max()) for head in range(count)),
        (count + 2, ffn, ffn.sum(axis=0).max()),
    ]:
        for layer in range(layers):
            total = shares[:, layer].sum()
            if total <= 0:
                continue
            radius = RADIUS * np.sqrt(total / largest)
            # Clockwise from the top.
            angles = 90 - 360 * np.concatenate([[0], np.cumsum(shares[:, layer])]) / total
            for start, end, colour in zip(angles[:-1], angles[1:], colours, strict=True):
                if end < start:
                    wedges.append(Wedge((place, layer + 1), radius, end, start))
                    faces.append(colour)
    axis.add_collection(PatchCollection(wedges, facecolors=faces, edgecolors="white", linewidths=0.3))
    axis.set_xlim(0.4, count + 2.6)
    axis.set_ylim(0.4, layers + 0.6)
    axis.set_aspect("equal")
    label_units(axis, layers, count)
