"""Figure: winning, random and losing tickets of the same counts against weight remaining, one panel a task."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from .curves import curve, draw_curves

#: Kinds in the order of the legend, with their names there.
LABELS = {
    "winning": "winning",
    "random": "random",
    "random_layerwise": "random within layers",
    "losing": "losing",
}
REMARK = "Tickets of one ratio prune equally many heads and blocks; their points are set apart to be read."
#: Share of the range of weights by which neighbouring kinds are set apart.
STEP = 0.012


def draw_ticket_kinds(scores: Path, tickets: Path, pdf: Path, png: Path) -> None:
    """Draw score against weight remaining of every kind of ticket, for every model, task and size.

    Args:
        scores: ``scores.parquet``.
        tickets: ``super_tickets.csv``; it names the metric of each panel.
        pdf, png: files to write.
    """
    draw_curves(scores, tickets, LABELS, panel, REMARK, (pdf, png))


def panel(axis: Axes, rows: pd.DataFrame, ticket: pd.Series) -> None:
    """Draw the curve of each kind of one model, task and size, side by side where their weights are equal."""
    present = [kind for kind in LABELS if kind in set(rows["kind"])]
    step = STEP * (1 - rows["weight_remaining"].min())
    for place, kind in enumerate(present):
        curve(axis, rows, kind, LABELS[kind], shift=step * ((len(present) - 1) / 2 - place))
