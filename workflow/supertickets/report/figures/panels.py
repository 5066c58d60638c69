"""Curves of score against weight remaining, one panel for each task, for all figures of tickets."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import offset_copy

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.significance import LEVEL, mean_intervals, mean_of
from supertickets.experiment.train_sizes import size_text
from supertickets.report.figures import style

#: Beginning of a remark on panels that draw the full model's interval; it is omitted for one seed.
BAND = "Band: the full model's interval. "

#: Remark on panels with :func:`draw_chance`.
CHANCE = " Chance: the best score of one answer to all examples."

#: Label of the horizontal axis.
WEIGHT = "weight remaining"

#: Name of the first phase in a panel.
FIRST_PHASE = "phase I"

#: Heights, as shares of a panel's, of the intervals of where phase I ends and III begins.
INTERVALS = {"first_ends": 0.985, "third_begins": 0.955}

#: Horizontal distance in points of the scores of single seeds from their mean.
BESIDE = 5

#: Distance in points of a panel's title from the panel, below which the names of its phases stand.
TITLE_PAD = 16

#: Horizontal distance of neighbouring curves, as a share of the range of weights.
STEP = 0.012

#: Width of a letter of a phase's name, in inches.
NAME_WIDTH = 0.065

#: Panels of one model that stand in a row at most, where there are several models.
MOST_COLUMNS = 4

#: Distance of the line of chance from all else, as a share of the range of the scores, up to which it is drawn.
FAR = 0.25

#: Height of an empty strip for words, as a share of the range of the scores.
STRIP = 0.12

Panel = Callable[[Axes, pd.DataFrame, pd.Series], None]


def reported(scores: pd.DataFrame, ticket: pd.Series, keys: list[str]) -> pd.DataFrame:
    """Select the scores of a panel: the rows that agree with its super ticket in ``keys``, split and metric."""
    keys = [*keys, "split", "metric"]
    return scores[(scores[keys] == ticket[keys]).all(axis=1)]


def panels(
    scores: pd.DataFrame,
    chosen: pd.DataFrame,
    draw: Panel,
    remark: str,
    keys: list[str] = MODEL_TASK_SIZE,
    places: str = WEIGHT,
) -> plt.Figure:
    """Draw a figure with one panel for each super ticket, and a note below.

    Args:
        scores: the tidy table of scores.
        chosen: the super tickets; each has the model, task, size, metric and split of its panel, and the chance and the
            phases if these are to be drawn.
        draw: function that draws one panel, from its scores and its super ticket.
        remark: remark on these curves, for the note.
        keys: columns, besides metric and split, in which the rows of a panel agree with its super ticket.
        places: label of the horizontal axis, whose places are in ``weight_remaining``.
    """
    figure, axes = grid_of_panels(chosen)
    rows_of_panels = []
    for axis, (_, ticket) in zip(axes, chosen.iterrows(), strict=True):
        rows = reported(scores, ticket, keys)
        draw(axis, rows, ticket)
        metric = metric_of(ticket["metric"])
        axis.set_ylabel(folded(f"{ticket['split']} {metric.label}", 25))
        weight_axis(axis, rows["weight_remaining"], places)
        if rows["value"].isna().all():
            undefined(axis)
        else:
            if "chance" in ticket:
                draw_chance(axis, ticket["chance"])
            if "first_ends" in ticket:
                mark_phases(axis, rows, ticket)
        low, high = axis.get_ylim()
        least, edge = metric.lowest, 0.02 * (high - low)
        # Within the possible scores, with a margin so that no marker is cut off.
        axis.set_ylim(max(low, least - edge), min(high, 100 + edge))
        set_title(axis, panel_title(ticket, chosen, keys), TITLE_PAD if "first_ends" in ticket else None)
        rows_of_panels.append(rows)
    text = note(pd.concat(rows_of_panels), remark)
    finish(figure, axes, text + CHANCE if "chance" in chosen else text)
    return figure


def grid_of_panels(shown: pd.DataFrame, height: float = 2.6, room: float = 0.75) -> tuple[plt.Figure, list[Axes]]:
    """Create a figure with a panel for each model and task.

    Several models with several tasks have rows of their own, where a task has the same column in all. Otherwise there
    are two panels per row.

    Args:
        shown: a row for each panel, with ``model`` and ``task``.
        height: of a panel, in inches.
        room: height of the legend above and the note below, in inches.

    Returns:
        The figure, and the axes of the panels in the order of the rows.
    """
    models, tasks = (pd.factorize(shown[key])[0] for key in ("model", "task"))
    columns, places = min(len(shown), 2), np.arange(len(shown))
    if models.any() and tasks.any():
        count = tasks.max() + 1
        rows_of_model = -(-count // MOST_COLUMNS)
        columns = -(-count // rows_of_model)
        places = models * rows_of_model * columns + tasks
    lines = places.max() // columns + 1
    width = style.PAGE_WIDTH if columns > 2 else max(columns * style.PANEL_WIDTH, 4.2)
    size = (width, height * lines + room)
    figure, axes = plt.subplots(lines, columns, squeeze=False, figsize=size, layout="constrained")
    for place in {*range(axes.size)} - {*places}:
        axes.flat[place].set_axis_off()
    return figure, [axes.flat[place] for place in places]


def panel_width(axis: Axes) -> float:
    """Estimate the width of a panel without its vertical axis, in inches."""
    return axis.figure.get_figwidth() / axis.get_gridspec().ncols - 0.65


def set_title(axis: Axes, text: str, pad: float | None = None) -> None:
    """Write the title of a panel, in as many lines as its width requires; ``pad`` is its distance in points."""
    axis.set_title(folded(text, int(13.5 * panel_width(axis))), loc="left", pad=pad)


def finish(figure: plt.Figure, axes: list[Axes], text: str) -> None:
    """Add a legend of all that the panels draw above and a note below."""
    pairs = (zip(*axis.get_legend_handles_labels(), strict=True) for axis in axes)
    drawn = {label: handle for panel in pairs for handle, label in panel}
    if drawn:
        add_legend(figure, [*drawn.values()], [*drawn])
    width = int(figure.get_figwidth() * 18)
    figure.supxlabel("\n".join(textwrap.wrap(text, width)), fontsize=7, color="0.35")


def add_legend(figure: plt.Figure, handles: list[Any], labels: list[str]) -> None:
    """Add a legend above the panels, in as few lines as the figure is wide enough for, of about equal numbers."""
    look = {"loc": "outside upper center", "columnspacing": 1.2, "handlelength": 1.8}
    for lines in range(1, len(labels) + 1):
        columns = -(-len(labels) // lines)
        legend = figure.legend(handles, labels, ncols=columns, **look)
        if legend.get_window_extent().width <= figure.bbox.width or columns == 1:
            return
        legend.remove()


def curve(
    axis: Axes, rows: pd.DataFrame, look: Mapping[str, Any], shift: float = 0.0, dots: bool = False
) -> pd.DataFrame:
    """Draw the means over seeds of one kind of ticket with their intervals.

    Args:
        axis: the axis to draw on.
        rows: scores of one model, task, size, kind, metric and split; draws of the same seed are averaged.
        look: ``color``, ``marker``, and ``label``, the name in the legend.
        shift: offset of the weights, so that the intervals of several curves do not overlap.
        dots: draw the scores of single seeds too, beside their interval where there is one.

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
        beside = BESIDE if (table["half"] > 0).any() else 0
        place = offset_copy(axis.transData, axis.figure, x=beside, units="points")
        look_of_dots = {"s": 9, "color": look["color"], "edgecolors": "white", "linewidth": 0.5, "zorder": 4}
        axis.scatter(seeds["weight_remaining"] + shift, seeds["value"], transform=place, **look_of_dots)
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
    """Draw the score of the constant baseline as a dotted line.

    Where the line is so far from all else that it would squeeze the curves, its score stands at the edge of the panel,
    in a strip that is added there.
    """
    low, high = axis.get_ylim()
    if max(low - chance, chance - high) <= FAR * (high - low):
        axis.axhline(chance, color=style.COLOURS["full"], linewidth=1, linestyle=":", label="chance")
        return
    strip = STRIP * (high - low)
    if chance < low:
        axis.set_ylim(low - strip, high)
        place, side, arrow = 0.02, "bottom", "↓"
    else:
        axis.set_ylim(low, high + strip)
        place, side, arrow = 0.98, "top", "↑"
    write(axis, 0.98, place, f"chance {chance:.1f} {arrow}", ha="right", va=side)


def mark_phases(axis: Axes, rows: pd.DataFrame, phases: pd.Series) -> None:
    """Name the phases of a curve above a panel, and draw their boundaries, half way between tickets, and intervals.

    Args:
        axis: the axis to draw on, with its horizontal limits.
        rows: scores of one model and task.
        phases: of the same, as of :func:`~supertickets.evaluation.phases.read_phases`, with ``seeds``.
    """
    tickets = rows[rows["kind"].isin(["full", "winning"])]
    weights = tickets.groupby("ratio")["weight_remaining"].mean().sort_index()
    beyond = "II" if pd.notna(phases["third_begins"]) else ""  # or III, which needs random tickets
    names = pd.Series(FIRST_PHASE, weights.index).where(weights.index <= phases["first_ends"], beyond)
    names = names.mask(weights.index >= phases["third_begins"], "III")
    if phases["seeds"] > 2:
        mark_intervals(axis, weights, phases)
    left, right = axis.get_xlim()
    begins = free = 0.0  # as shares of the panel's width: of a phase, and of what no name covers yet
    for name, members in weights.groupby(names, sort=False):
        lighter = weights[weights.index > members.index[-1]]
        ends = 1.0
        if len(lighter):
            boundary = (members.iloc[-1] + lighter.iloc[0]) / 2
            ends = (left - boundary) / (left - right)
            # Darker than the grid, which may have a line there.
            axis.axvline(boundary, color="0.6", linewidth=1, zorder=1.5)
        half = NAME_WIDTH * len(name) / panel_width(axis) / 2
        place = max((begins + ends) / 2, free + half)  # a phase may be narrower than its name
        look = {"color": style.COLOURS["full"], "fontsize": 7.5, "ha": "center", "va": "bottom"}
        axis.text(place, 1.01, name, transform=axis.transAxes, **look)
        begins, free = ends, place + half


def mark_intervals(axis: Axes, weights: pd.Series, phases: pd.Series) -> None:
    """Draw the intervals of the boundaries of phases at the top of a panel.

    Args:
        axis: the axis to draw on, with its horizontal limits.
        weights: weight remaining by ratio, the full model first.
        phases: as of :func:`mark_phases`.
    """
    _, edge = axis.get_xlim()
    look = {"color": "0.6", "linewidth": 1, "marker": "|", "markersize": 4, "transform": axis.get_xaxis_transform()}
    for name, height in INTERVALS.items():
        ratios = phases[[f"{name}_low", f"{name}_high"]]
        if ratios.isna().any():
            continue
        places = []
        for ratio in ratios:
            lighter = weights.index > ratio if name == "first_ends" else weights.index >= ratio
            places.append((weights[~lighter].iloc[-1] + weights[lighter].iloc[0]) / 2 if lighter.any() else edge)
        axis.plot(places, [height, height], **look)


def undefined(axis: Axes, what: str = "scores") -> None:
    """Say why a panel is empty."""
    write(axis, 0.5, 0.5, f"all {what} are undefined", ha="center")
    axis.set_yticks([])


def write(axis: Axes, x: float, y: float, words: str, **place: str) -> None:
    """Write a remark into a panel, at shares of its width and height."""
    box = {"facecolor": "white", "linewidth": 0, "pad": 1}
    look = {"color": style.COLOURS["full"], "fontsize": 7.5, "bbox": box, "transform": axis.transAxes}
    axis.text(x, y, words, **look, **place)


def weight_axis(axis: Axes, places: pd.Series, label: str = WEIGHT) -> None:
    """Label the horizontal axis and set its limits: the full model is at the left, as in the paper."""
    axis.set_xlabel(label)
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    least, most = places.min(), max(places.max(), 1.0)  # a ticket may take longer than the full model
    margin = 0.03 * (most - least)
    axis.set_xlim(most + margin, least - 2 * margin)


def margins_text(margins: Mapping[str, float], tasks: Iterable[str]) -> str:
    """Name the margins of some tasks: ``1 point``, or ``1 (movie), 2.5 (rating) points`` where they differ."""
    of_tasks = {task: f"{margins[task]:g}" for task in tasks}
    numbers = {*of_tasks.values()}
    if len(numbers) > 1:
        return f"{', '.join(f'{margin} ({task})' for task, margin in of_tasks.items())} points"
    (margin,) = numbers
    return f"{margin} point{'s' * (margin != '1')}"


def phases_remark(
    margins: Mapping[str, float], tasks: Iterable[str], phases: pd.DataFrame, random: bool = False
) -> str:
    """Explain what :func:`mark_phases` draws.

    Args:
        margins: by task, in points.
        tasks: those that are drawn.
        phases: of all panels.
        random: whether the third phase is known, from random tickets.
    """
    text = f" Phase I: no winning ticket loses more than {margins_text(margins, tasks)} on average."
    text += " III: none is better than random tickets by more than that. II: between the two." * random
    have = phases.loc[phases["seeds"] > 2, [f"{name}_low" for name in INTERVALS]].notna().any()
    if not have["first_ends_low"]:
        return text
    bars = "Bars at the top: where I may end (upper) and III begin (lower)" if have["third_begins_low"] else ""
    return f"{text} {bars or 'Bar at the top: where it may end'}; each end is shown at {LEVEL:.0%}."


def panel_title(ticket: pd.Series, chosen: pd.DataFrame, keys: list[str] = MODEL_TASK_SIZE) -> str:
    """Write the title of a panel: the task, the size if the panel has one, and the model if there are several."""
    words = [ticket["model"]] if chosen["model"].nunique() > 1 else []
    words += [ticket["task"], *([size_text(ticket["train_size"])] if "train_size" in keys else [])]
    return ", ".join(words)


def folded(text: str, width: int) -> str:
    """Break a text into lines of at most ``width`` characters, of about equal lengths."""
    lines = -(-len(text) // width)
    return "\n".join(textwrap.wrap(text, min(width, -(-len(text) // lines) + 4)))


def scored_on(rows: pd.DataFrame) -> str:
    """Say on how many examples of which split each task is scored."""
    texts, before = [], ""
    for task, count, split in rows.groupby("task", sort=False)[["examples", "split"]].max().itertuples():
        texts.append(f"{count:,} of {task}" if split == before else f"{count:,} {split} examples of {task}")
        before = split
    listed = " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
    return f"Scored on {listed}."


def note(rows: pd.DataFrame, remark: str) -> str:
    """Write the note of a figure: encoder, seeds, intervals, examples, and a remark on the curves."""
    models = ", ".join(rows["model"].unique())
    seeds, draws = rows["seed"].nunique(), rows["draw"].max()
    draws_text = f" (random: of {draws} draws each)" if draws > 1 else ""
    spread = f"Mean over {seeds} seeds{draws_text} with its {LEVEL:.0%} t interval."
    if seeds <= 2:
        spread, remark = f"{('One seed', 'Mean over 2 seeds')[seeds - 1]}{draws_text}.", remark.removeprefix(BAND)
    missing = rows[rows["value"].isna()].groupby("task", sort=False).size()
    for task, count in missing.items():
        remark += f" Not drawn: means with one of {count} undefined scores of {task} (the same prediction for all)."
    precisions = " and ".join(rows["precision"].unique())
    return f"Encoder: {models}, trained in {precisions}. {spread} {scored_on(rows)} {remark}"
