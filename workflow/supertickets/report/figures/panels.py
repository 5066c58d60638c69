"""Curves of score against weight remaining, one panel for each task, for all figures of tickets."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.select_ticket import EXPERIMENT
from supertickets.evaluation.significance import LEVEL, mean_intervals, mean_of
from supertickets.experiment.paths import size_text
from supertickets.report.figures import style

#: Beginning of a remark on panels that draw the full model's interval; it is omitted for one seed.
BAND = "Band: the full model's interval. "

#: Remark on panels with :func:`draw_chance`.
CHANCE = " Chance: the best score of one answer to all examples."

#: Horizontal distance of neighbouring curves, as a share of the range of weights.
STEP = 0.012

#: Distance of the line of chance from all else, as a share of the range of the scores, up to which it is drawn.
FAR = 0.25

Panel = Callable[[Axes, pd.DataFrame, pd.Series], None]


def reported(scores: pd.DataFrame, ticket: pd.Series, keys: list[str]) -> pd.DataFrame:
    """Select the scores of a panel: the rows that agree with its super ticket in ``keys``, split and metric."""
    keys = [*keys, "split", "metric"]
    return scores[(scores[keys] == ticket[keys]).all(axis=1)]


def panels(
    scores: pd.DataFrame, chosen: pd.DataFrame, draw: Panel, remark: str, keys: list[str] = EXPERIMENT
) -> plt.Figure:
    """Draw a figure with one panel for each super ticket, two per row, and a note below.

    Args:
        scores: the tidy table of scores.
        chosen: the super tickets; each has the model, task, size, metric and split of its panel, and the chance if
            that is to be drawn.
        draw: function that draws one panel, from its scores and its super ticket.
        remark: remark on these curves, for the note.
        keys: columns, besides metric and split, in which the rows of a panel agree with its super ticket.
    """
    figure, axes = grid_of_panels(len(chosen))
    rows_of_panels = []
    for axis, (_, ticket) in zip(axes, chosen.iterrows(), strict=True):
        rows = reported(scores, ticket, keys)
        draw(axis, rows, ticket)
        metric = metric_of(ticket["metric"])
        axis.set_ylabel(folded(f"{ticket['split']} {metric.label}", 25))
        weight_axis(axis, rows["weight_remaining"].min())
        if rows["value"].isna().all():
            write(axis, 0.5, 0.5, "all scores are undefined", ha="center")
            axis.set_yticks([])
        elif "chance" in ticket:
            draw_chance(axis, ticket["chance"])
        low, high = axis.get_ylim()
        least, edge = metric.lowest, 0.02 * (high - low)
        # Within the possible scores, with a margin so that no marker is cut off.
        axis.set_ylim(max(low, least - edge), min(high, 100 + edge))
        axis.set_title(panel_title(ticket, chosen, keys), loc="left")
        rows_of_panels.append(rows)
    text = note(pd.concat(rows_of_panels), remark)
    finish(figure, axes, text + CHANCE if "chance" in chosen else text)
    return figure


def grid_of_panels(count: int) -> tuple[plt.Figure, list[Axes]]:
    """Create a figure of ``count`` panels, two per row, with room for a legend above and a note below."""
    columns = min(count, 2)
    lines = -(-count // columns)
    size = (max(columns * style.PANEL_WIDTH, 4.2), 2.6 * lines + 0.75)
    figure, axes = plt.subplots(lines, columns, squeeze=False, figsize=size, layout="constrained")
    for axis in axes.flat[count:]:
        axis.set_axis_off()
    return figure, list(axes.flat[:count])


def finish(figure: plt.Figure, axes: list[Axes], text: str) -> None:
    """Add a legend of all that the panels draw above and a note below."""
    pairs = (zip(*axis.get_legend_handles_labels(), strict=True) for axis in axes)
    drawn = {label: handle for panel in pairs for handle, label in panel}
    if drawn:
        labels, handles = [*drawn], [*drawn.values()]
        columns = len(labels) if sum(map(len, labels)) < 14 * figure.get_figwidth() else -(-len(labels) // 2)
        figure.legend(handles, labels, loc="outside upper center", ncols=columns, columnspacing=1.2, handlelength=1.8)
    width = int(figure.get_figwidth() * 18)
    figure.supxlabel("\n".join(textwrap.wrap(text, width)), fontsize=7, color="0.35")


def curve(
    axis: Axes, rows: pd.DataFrame, look: Mapping[str, Any], shift: float = 0.0, dots: bool = False
) -> pd.DataFrame:
    """Draw the means over seeds of one kind of ticket with their intervals.

    Args:
        axis: the axis to draw on.
        rows: scores of one model, task, size, kind, metric and split; draws of the same seed are averaged.
        look: ``color``, ``marker``, and ``label``, the name in the legend.
        shift: offset of the weights, so that the intervals of several curves do not overlap.
        dots: draw the scores of single seeds too.

    Returns:
        Table by ratio: ``mean``, ``half`` (half width of the interval), ``seeds`` and ``weight``, the heaviest ticket
        first.
    """
    seeds = rows.groupby(["ratio", "seed"], as_index=False)[["value", "weight_remaining"]].agg(mean_of)
    table = mean_intervals(seeds, ["ratio"])
    table["weight"] = seeds.groupby("ratio")["weight_remaining"].mean()
    table = table.sort_values("weight", ascending=False)
    axis.errorbar(table["weight"] + shift, table["mean"], yerr=table["half"], **style.LINE, **look)
    if dots:
        places = seeds["weight_remaining"] + shift
        axis.scatter(places, seeds["value"], s=9, color=look["color"], edgecolors="white", linewidth=0.5, zorder=4)
    return table


def side_by_side(rows: pd.DataFrame, count: int) -> list[float]:
    """Compute the offsets of the weights of ``count`` curves, so that intervals at equal weights do not overlap."""
    step = STEP * (1 - rows["weight_remaining"].min())
    return [step * ((count - 1) / 2 - place) for place in range(count)]


def full_model(axis: Axes, rows: pd.DataFrame) -> None:
    """Draw the full model's mean as a line across the panel, and its interval as a band."""
    full = mean_intervals(rows[rows["kind"] == "full"], ["kind"]).iloc[0]
    colour = style.COLOURS["full"]
    axis.axhline(full["mean"], color=colour, linewidth=1, linestyle="--", label="full model")
    axis.axhspan(full["mean"] - full["half"], full["mean"] + full["half"], color=colour, alpha=0.12, linewidth=0)


def draw_chance(axis: Axes, chance: float) -> None:
    """Draw what one answer to all examples scores as a dotted line.

    Where the line is so far from all else that it would squeeze the curves, its score stands at the edge of the panel.
    """
    low, high = axis.get_ylim()
    if max(low - chance, chance - high) <= FAR * (high - low):
        axis.axhline(chance, color=style.COLOURS["full"], linewidth=1, linestyle=":", label="chance")
        return
    place, side, arrow = (0.03, "bottom", "↓") if chance < low else (0.97, "top", "↑")
    write(axis, 0.02, place, f"chance {chance:.1f} {arrow}", va=side)


def write(axis: Axes, x: float, y: float, words: str, **place: str) -> None:
    """Write a remark into a panel, at shares of its width and height."""
    box = {"facecolor": "white", "linewidth": 0, "pad": 1}
    look = {"color": style.COLOURS["full"], "fontsize": 7.5, "bbox": box, "transform": axis.transAxes}
    axis.text(x, y, words, **look, **place)


def weight_axis(axis: Axes, lightest: float) -> None:
    """Label the horizontal axis and set its limits: the full model is at the left, as in the paper."""
    axis.set_xlabel("weight remaining")
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    margin = 0.03 * (1 - lightest)
    axis.set_xlim(1 + margin, lightest - 2 * margin)


def panel_title(ticket: pd.Series, chosen: pd.DataFrame, keys: list[str] = EXPERIMENT) -> str:
    """Write the title of a panel: the task, the size if the panel has one, and the model if there are several."""
    words = [ticket["model"]] if chosen["model"].nunique() > 1 else []
    words += [ticket["task"], *([size_text(ticket["train_size"])] if "train_size" in keys else [])]
    return ", ".join(words)


def folded(text: str, width: int) -> str:
    """Break a text into the fewest lines of about ``width`` characters, of about equal lengths."""
    lines = -(-len(text) // width)
    return "\n".join(textwrap.wrap(text, -(-len(text) // lines) + 4 * (lines > 1)))


def note(rows: pd.DataFrame, remark: str) -> str:
    """Write the note of a figure: encoder, seeds, intervals, examples, and a remark on the curves."""
    models = ", ".join(rows["model"].unique())
    seeds, draws = rows["seed"].nunique(), rows["draw"].max()
    counts = rows.groupby("task", sort=False)[["examples", "split"]].max().itertuples()
    examples = ", ".join(f"{count} {task} {split}" for task, count, split in counts)
    draws_text = f" (random: of {draws} draws each)" if draws > 1 else ""
    spread = f"Mean over {seeds} seeds{draws_text} with its {LEVEL:.0%} t interval."
    if seeds <= 2:
        spread, remark = f"{('One seed', 'Mean over 2 seeds')[seeds - 1]}{draws_text}.", remark.removeprefix(BAND)
    undefined = rows[rows["value"].isna()].groupby("task", sort=False).size()
    for task, count in undefined.items():
        remark += f" Not drawn: means with one of {count} undefined scores of {task} (the same prediction for all)."
    return f"Encoder: {models}. {spread} Scored on {examples} examples. {remark}"
