"""Figure: scores of several kinds of tickets for several numbers of training examples, one panel for each of them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from supertickets.evaluation.results import read_curves
from supertickets.report.figures import style
from supertickets.report.figures.panels import panels
from supertickets.report.figures.ticket_kinds import DOTS, REMARK, panel


def draw_kinds_by_size(results: Path, grid: dict[str, Any], pdf: Path, png: Path) -> None:
    """Draw the kinds of tickets at every size, for every model and task that is trained at several.

    Args:
        results: the results folder, with scores, and selections and comparisons of winning tickets.
        grid: all runs.
        pdf, png: files to write.
    """
    scores, chosen = read_curves(results, grid)
    several = chosen.groupby(["model", "task"])["train_size"].transform("nunique") > 1
    style.use()
    draw = partial(panel, grid["other_kinds"])
    style.save(panels(scores, chosen[several], draw, REMARK + DOTS * (len(grid["seeds"]) == 2)), pdf, png)
