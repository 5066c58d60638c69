"""One look for all figures: legible at a column's width, safe for colour-blind readers, the same bytes again."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from .files import replacing

#: Width of a panel, that of a column of text, in inches.
PANEL_WIDTH = 3.4
#: Colours by role, from seaborn's colour-blind palette.
_PALETTE = sns.color_palette("colorblind")
COLOURS = {
    "winning": _PALETTE[0],
    "losing": _PALETTE[1],
    "random": _PALETTE[2],
    "random_layerwise": _PALETTE[4],
    "full": "0.35",
    "super": _PALETTE[3],
}
#: Markers tell the kinds apart without colour.
MARKERS = {"winning": "o", "losing": "v", "random": "s", "random_layerwise": "D"}


def use() -> None:
    """Set fonts, lines and grid for every figure drawn after."""
    sns.set_theme(
        context="paper",
        style="ticks",
        rc={
            "font.size": 9,
            "axes.labelsize": 9,
            "axes.titlesize": 9.5,
            "legend.fontsize": 8,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "axes.grid": True,
            "grid.color": "0.92",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "pdf.fonttype": 42,  # text stays text
            "savefig.dpi": 300,
        },
    )


def save(figure: Figure, pdf: Path, png: Path) -> None:
    """Write a figure as vector PDF and as PNG, without dates, and close it."""
    with replacing(pdf) as part:
        figure.savefig(part, format="pdf", metadata={"CreationDate": None})
    with replacing(png) as part:
        figure.savefig(part, format="png", metadata={"Software": None})
    plt.close(figure)
