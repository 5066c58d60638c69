"""Figure: test score against weight remaining, one panel a task."""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from . import style
from .intervals import LEVEL, mean_intervals
from .selection import EXPERIMENT, TICKET

SPLIT = "test"


def draw_phase_transition(scores: Path, tickets: Path, pdf: Path, png: Path) -> None:
    """Draw score against weight remaining for every model, task and size.

    Args:
        scores: ``scores.parquet``.
        tickets: ``super_tickets.csv``; it names the metric and the chosen ticket of each panel.
        pdf, png: files to write.
    """
    table = pd.read_parquet(scores)
    chosen = pd.read_csv(tickets, dtype={"train_size": str})
    style.use()
    figure = panels(table[table["split"] == SPLIT], chosen)
    style.save(figure, pdf, png)


def panels(scores: pd.DataFrame, chosen: pd.DataFrame) -> plt.Figure:
    """One panel for each row of the table of super tickets, two to a line, with a note below.

    Args:
        scores: rows of the reported split.
        chosen: the super tickets.
    """
    columns = min(len(chosen), 2)
    lines = -(-len(chosen) // columns)
    height = 2.6 * lines + 0.75
    figure, axes = plt.subplots(
        lines, columns, squeeze=False, figsize=(max(columns * style.PANEL_WIDTH, 4.2), height), layout="constrained"
    )
    for axis, (_, ticket) in zip(axes.flat, chosen.iterrows(), strict=False):
        rows = scores[(scores[[*EXPERIMENT, "metric"]] == ticket[[*EXPERIMENT, "metric"]]).all(axis=1)]
        panel(axis, rows, ticket, f"{ticket['model']}, " if chosen["model"].nunique() > 1 else "")
    for axis in axes.flat[len(chosen) :]:
        axis.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), columnspacing=1.2, handlelength=1.8)
    width = int(figure.get_figwidth() * 18)
    figure.supxlabel("\n".join(textwrap.wrap(note(scores, chosen), width)), fontsize=7, color="0.35")
    return figure


def panel(axis: Axes, rows: pd.DataFrame, ticket: pd.Series, title: str) -> None:
    """Draw the curve of one model, task and size.

    Args:
        axis: where.
        rows: its scores, one metric and one split.
        ticket: its super ticket.
        title: what the title starts with.
    """
    by_ticket = mean_intervals(rows, TICKET)
    by_ticket["weight"] = rows.groupby(TICKET)["weight_remaining"].mean()
    full = by_ticket.xs("full", level="kind").iloc[0]
    winning = by_ticket.xs("winning", level="kind").sort_values("weight", ascending=False)
    axis.axhline(full["mean"], color=style.COLOURS["full"], linewidth=1, linestyle="--", label="full model")
    axis.axhspan(
        full["mean"] - full["half"], full["mean"] + full["half"], color=style.COLOURS["full"], alpha=0.12, linewidth=0
    )
    axis.errorbar(
        winning["weight"], winning["mean"], yerr=winning["half"], color=style.COLOURS["winning"],
        marker="o", markersize=4, linewidth=1.4, elinewidth=0.9, capsize=2, label="winning tickets",
    )  # fmt: skip
    seeds = rows[rows["kind"] == "winning"]
    axis.scatter(
        seeds["weight_remaining"], seeds["value"], s=7, color=style.COLOURS["winning"], alpha=0.45, linewidth=0,
        label="single seeds", zorder=2,
    )  # fmt: skip
    best = winning.loc[ticket["ratio"]]
    axis.plot(
        best["weight"], best["mean"], marker="*", markersize=11, linestyle="none", color=style.COLOURS["super"],
        markeredgecolor="white", markeredgewidth=0.6, zorder=5, label="super ticket (chosen on validation)",
    )  # fmt: skip
    axis.set_title(f"{title}{ticket['task']}, {size_text(ticket['train_size'])}", loc="left")
    axis.set_xlabel("weight remaining")
    axis.set_ylabel(f"{SPLIT} {ticket['metric']}" + (" (%)" if ticket["metric"] == "accuracy" else " (x 100)"))
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    lightest = winning["weight"].min()
    margin = 0.03 * (1 - lightest)
    axis.set_xlim(1 + margin, lightest - 2 * margin)  # the full model at the left, as in the paper


def size_text(train_size: str) -> str:
    """How many training sentences, for a title."""
    return "all training sentences" if train_size == "all" else f"{train_size} training sentences"


def note(scores: pd.DataFrame, chosen: pd.DataFrame) -> str:
    """What a reader must know of the numbers."""
    models = ", ".join(chosen["model"].unique())
    seeds = scores["seed"].nunique()
    examples = scores.groupby("task")["examples"].max()
    sentences = ", ".join(f"{count} {task}" for task, count in examples.items())
    spread = (
        f"Mean over {seeds} seeds; bars and band: {LEVEL:.0%} t interval of the mean." if seeds > 1 else "One seed."
    )
    return (
        f"Encoder: {models}. {spread} Scored on {sentences} {SPLIT} sentences; tickets chosen on validation sentences."
    )
