"""Curves of score against weight remaining, one panel a task: what the figures of tickets share."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from . import style
from .intervals import LEVEL, mean_intervals
from .layout import size_from
from .selection import EXPERIMENT

SPLIT = "test"


Panel = Callable[[Axes, pd.DataFrame, pd.Series], None]


def draw_curves(
    scores: Path, tickets: Path, kinds: Collection[str], panel: Panel, remark: str, files: tuple[Path, Path]
) -> None:
    """Draw some kinds of tickets, one panel for each model, task and size.

    Args:
        scores: ``scores.parquet``.
        tickets: ``super_tickets.csv``; it names the metric and the chosen ticket of each panel.
        kinds: the kinds that are drawn; the full model is always there.
        panel, remark: as for :func:`panels`.
        files: PDF and PNG to write.
    """
    table = pd.read_parquet(scores)
    table = table[(table["split"] == SPLIT) & table["kind"].isin(["full", *kinds])]
    style.use()
    style.save(panels(table, pd.read_csv(tickets, dtype={"train_size": str}), panel, remark), *files)


def panels(scores: pd.DataFrame, chosen: pd.DataFrame, draw: Panel, remark: str) -> plt.Figure:
    """One panel for each row of the table of super tickets, two to a line, with a note below.

    Args:
        scores: rows of the reported split.
        chosen: the super tickets; each names the model, task, size and metric of its panel.
        draw: draws the curves of one panel, from its scores and its super ticket.
        remark: what the note says of these curves.
    """
    columns = min(len(chosen), 2)
    lines = -(-len(chosen) // columns)
    height = 2.6 * lines + 0.75
    figure, axes = plt.subplots(
        lines, columns, squeeze=False, figsize=(max(columns * style.PANEL_WIDTH, 4.2), height), layout="constrained"
    )
    for axis, (_, ticket) in zip(axes.flat, chosen.iterrows(), strict=False):
        rows = scores[(scores[[*EXPERIMENT, "metric"]] == ticket[[*EXPERIMENT, "metric"]]).all(axis=1)]
        _full_model(axis, rows)
        draw(axis, rows, ticket)
        _frame(axis, rows, ticket, f"{ticket['model']}, " if chosen["model"].nunique() > 1 else "")
    for axis in axes.flat[len(chosen) :]:
        axis.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), columnspacing=1.2, handlelength=1.8)
    width = int(figure.get_figwidth() * 18)
    figure.supxlabel("\n".join(textwrap.wrap(note(scores, chosen, remark), width)), fontsize=7, color="0.35")
    return figure


def curve(
    axis: Axes, rows: pd.DataFrame, kind: str, label: str, shift: float = 0.0, dots: bool = False
) -> pd.DataFrame:
    """Draw the means over seeds of one kind of ticket with their intervals.

    Args:
        axis: where.
        rows: scores of one model, task, size, metric and split.
        kind: the kind of ticket; several draws of a seed count as their mean.
        label: its name in the legend.
        shift: what is added to the weights, so that intervals of several kinds can be told apart.
        dots: draw the single seeds too.

    Returns:
        By ratio: ``mean``, ``half`` (of the interval), ``seeds`` and ``weight``, the heaviest ticket first.
    """
    seeds = rows[rows["kind"] == kind].groupby(["ratio", "seed"], as_index=False)[["value", "weight_remaining"]].mean()
    table = mean_intervals(seeds, ["ratio"])
    table["weight"] = seeds.groupby("ratio")["weight_remaining"].mean()
    table = table.sort_values("weight", ascending=False)
    colour, marker = style.COLOURS[kind], style.MARKERS[kind]
    axis.errorbar(
        table["weight"] + shift, table["mean"], yerr=table["half"], color=colour,
        marker=marker, markersize=4, linewidth=1.4, elinewidth=0.9, capsize=2, label=label,
    )  # fmt: skip
    if dots:
        place = seeds["weight_remaining"] + shift
        axis.scatter(place, seeds["value"], s=9, color=colour, edgecolors="white", linewidth=0.5, zorder=4)
    return table


def _full_model(axis: Axes, rows: pd.DataFrame) -> None:
    """The full model's mean as a line across the panel, its interval as a band."""
    full = mean_intervals(rows[rows["kind"] == "full"], ["kind"]).iloc[0]
    colour = style.COLOURS["full"]
    axis.axhline(full["mean"], color=colour, linewidth=1, linestyle="--", label="full model")
    axis.axhspan(full["mean"] - full["half"], full["mean"] + full["half"], color=colour, alpha=0.12, linewidth=0)


def _frame(axis: Axes, rows: pd.DataFrame, ticket: pd.Series, title: str) -> None:
    """Title, labels and limits of a panel."""
    axis.set_title(f"{title}{ticket['task']}, {size_text(ticket['train_size'])}", loc="left")
    axis.set_xlabel("weight remaining")
    axis.set_ylabel(f"{SPLIT} {ticket['metric']}" + (" (%)" if ticket["metric"] == "accuracy" else " (x 100)"))
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    lightest = rows["weight_remaining"].min()
    margin = 0.03 * (1 - lightest)
    axis.set_xlim(1 + margin, lightest - 2 * margin)  # the full model at the left, as in the paper


def size_text(train_size: str) -> str:
    """How many training sentences, for a title."""
    size = size_from(train_size)
    if isinstance(size, float):
        return f"{100 * size:g}% of the training sentences"
    return f"{size} training sentences"


def note(scores: pd.DataFrame, chosen: pd.DataFrame, remark: str) -> str:
    """What a reader must know of the numbers, and a remark on the curves."""
    models = ", ".join(chosen["model"].unique())
    seeds, draws = scores["seed"].nunique(), scores["draw"].max()
    examples = scores.groupby("task")["examples"].max()
    sentences = ", ".join(f"{count} {task}" for task, count in examples.items())
    each = f" (random: of {draws} draws each)" if draws > 1 else ""
    spread = f"Mean over {seeds} seeds{each}; bars and band: {LEVEL:.0%} t interval of the mean."
    if seeds == 1:
        spread = f"One seed{each}."
    return f"Encoder: {models}. {spread} Scored on {sentences} {SPLIT} sentences. {remark}"
