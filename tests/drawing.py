"""Figures that tests draw, and what is read off them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from made_up_runs import KINDS, MAIN, SIZES
from matplotlib.axes import Axes

from supertickets.report.figures.bias_variance import draw_bias_variance
from supertickets.report.figures.data_size import draw_data_size
from supertickets.report.figures.gain_curve import draw_gain_curve
from supertickets.report.figures.phase_transition import draw_phase_transition
from supertickets.report.figures.single_task_gain import draw_single_task_gain
from supertickets.report.figures.speed import draw_speed
from supertickets.report.figures.ticket_kinds import draw_ticket_kinds
from supertickets.report.figures.ticket_masks import draw_ticket_masks

WEIGHT = {"x": "weight"}
MARGINS = {"movie": 1.0, "rating": 2.5, "dev_only": 1.0}
FIGURES: dict[str, tuple[Callable[..., None], dict[str, Any]]] = {
    "phase_transition": (partial(draw_phase_transition, margins=MARGINS, axis=WEIGHT), MAIN),
    "ticket_kinds": (partial(draw_ticket_kinds, margins=MARGINS), KINDS),
    "data_size": (draw_data_size, SIZES),
    "bias_variance": (draw_bias_variance, MAIN),
    "single_task_gain": (draw_single_task_gain, MAIN),
    "ticket_masks": (draw_ticket_masks, MAIN),
    "speed": (partial(draw_speed, margins=MARGINS, rivals={"minilm": []}, int8=0), MAIN),
    "gain_curve": (partial(draw_gain_curve, margins=MARGINS, axis=WEIGHT), MAIN),
}


def draw(
    name: str, results: Path, drawn: list[plt.Figure], grid: dict[str, Any] | None = None
) -> tuple[list[Axes], str]:
    """Draw a figure, of all that it shows where no grid is given; return its axes and its note."""
    function, whole = FIGURES[name]
    function(results, grid or whole, pdf=results / "unused.pdf", png=results / "unused.png")
    figure = drawn[-1]
    return figure.axes, " ".join(figure.get_supxlabel().split())


def points(axis: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the places and values of the curve with a label."""
    line = next(container for container in axis.containers if container.get_label() == label).lines[0]
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
