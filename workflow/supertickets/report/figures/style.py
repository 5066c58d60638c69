"""The style of all figures: legible at the width of a column, safe for colour-blind readers, reproducible bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from supertickets.files import replacing

#: Width of a panel in inches: the width of a column of text.
PANEL_WIDTH = 3.4
#: Width in inches of figures with more than two panels per row: the width of a page of text.
PAGE_WIDTH = 7.4
#: Colours of seaborn's colour-blind palette, and markers, which distinguish lines without colour.
_PALETTE = sns.color_palette("colorblind")
MARKER_CYCLE = ("o", "s", "v", "D", "^", "P", "X")
#: Kinds of tickets with fixed colours: places in the palette.
_KINDS = {"winning": 0, "losing": 1, "random": 2, "random_layerwise": 4}
Colour = tuple[float, float, float]
#: Colours by role.
COLOURS = {"full": "0.35", "super": _PALETTE[3], "winning": _PALETTE[_KINDS["winning"]]}
#: Places in the palette for kinds that the user defines.
_OTHERS = (5, 6, 8, 9, 7)
#: Colours of lines that do not show a kind of ticket.
OTHER_COLOURS = (_PALETTE[7], _PALETTE[3], _PALETTE[9])
#: Colours and markers of points beside a curve of winning tickets.
POINT_COLOURS = tuple(_PALETTE[place] for place in (2, 4, 1, 5, 7))
POINT_MARKERS = MARKER_CYCLE[1:]
#: Colours of tasks in panels that show multiple tasks.
TASK_COLOURS = tuple(_PALETTE)
#: Options of a line of means with intervals.
LINE = {"markersize": 4, "linewidth": 1.4, "elinewidth": 0.9, "capsize": 2}
#: Options of the point that marks the super ticket.
STAR = {
    "marker": "*", "markersize": 11, "linestyle": "none", "color": COLOURS["super"], "markeredgecolor": "white",
    "markeredgewidth": 0.6, "zorder": 5, "label": "super ticket",
}  # fmt: skip


def cycle(values: Sequence[Any], count: int) -> list[Any]:
    """Repeat values until there are ``count`` of them."""
    return [values[index % len(values)] for index in range(count)]


def looks(labels: Iterable[str], colours: Sequence[Any], markers: Sequence[str] = MARKER_CYCLE) -> list[dict[str, Any]]:
    """Return colour, marker and label of lines with these labels."""
    labels = list(labels)
    pairs = zip(cycle(colours, len(labels)), cycle(markers, len(labels)), labels, strict=True)
    return [{"color": colour, "marker": marker, "label": label} for colour, marker, label in pairs]


def look(kind: str, label: str, kinds: Sequence[str] = ()) -> dict[str, Any]:
    """Return colour, marker and label of a kind of ticket; ``kinds`` are all kinds in the figure."""
    if kind in _KINDS:
        place = list(_KINDS).index(kind)
        return {"color": _PALETTE[_KINDS[kind]], "marker": MARKER_CYCLE[place], "label": label}
    place = [name for name in kinds if name not in _KINDS].index(kind)
    marker = cycle(MARKER_CYCLE[len(_KINDS) :], place + 1)[-1]
    return {"color": _PALETTE[cycle(_OTHERS, place + 1)[-1]], "marker": marker, "label": label}


def hollow(colour: Any, marker: str) -> dict[str, Any]:
    """Return the options of a hollow point, which is drawn over a point of a line, for the full model."""
    return {
        "marker": marker, "markersize": 4.5, "color": "white", "markeredgecolor": colour, "linestyle": "none",
        "zorder": 5,
    }  # fmt: skip


def use() -> None:
    """Set fonts, lines and grid of all figures that are drawn later."""
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
            "pdf.fonttype": 42,  # TrueType: text stays text
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
