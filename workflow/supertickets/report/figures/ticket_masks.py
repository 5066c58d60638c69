"""Figure: which heads and feed-forward blocks each task's super ticket keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh

from supertickets.encoder.ticket import Ticket
from supertickets.evaluation.results import ratio_of_seed, read_groups
from supertickets.experiment.grid import by_seed, groups_of, ratios_of
from supertickets.experiment.paths import ticket_file
from supertickets.experiment.train_sizes import size_text
from supertickets.report.figures import style
from supertickets.report.figures.panels import finish, grid_of_panels, panel_title, set_title, write
from supertickets.report.figures.units import label_units


def draw_ticket_masks(results: Path, grid: dict[str, Any], pdf: Path, png: Path) -> None:
    """Draw, for every model and task, the share of seeds whose super ticket keeps each unit.

    Args:
        results: the results folder, with selections and tickets.
        grid: the winning tickets at the main size.
        pdf, png: files to write.
    """
    chosen = read_groups(results, "selections", groups_of(grid))
    tickets = chosen.dropna(subset="weight_remaining").iterrows()
    shares = {place: kept_shares(results, ticket, grid) for place, ticket in tickets}
    style.use()
    layers = max((len(ffn) for _, ffn in shares.values()), default=6)
    figure, axes = grid_of_panels(chosen, 0.9 + 0.17 * layers, room=1.1)
    for axis, (place, ticket) in zip(axes, chosen.iterrows(), strict=True):
        title = panel_title(ticket, chosen, [])
        if place in shares:
            mesh = panel(axis, *shares[place])
            title += f": {ratio_text(ticket, grid['seeds'])}, {ticket['weight_remaining']:.0%} weight"
        else:
            write(axis, 0.5, 0.5, "no super ticket", ha="center")
            axis.set_axis_off()
        set_title(axis, title)
    if shares:
        bar = figure.colorbar(
            mesh, ax=axes, location="top", shrink=0.4, aspect=20, pad=0.06, ticks=np.linspace(0, 1, 3)
        )
        bar.set_label("share of seeds that keep the unit")
        bar.ax.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    finish(figure, axes, note(chosen, grid))
    style.save(figure, pdf, png)


def kept_shares(results: Path, ticket: pd.Series, grid: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Compute the share of seeds whose ticket keeps each head, shape (layers, heads), and block, shape (layers,)."""
    seeds, smallest = grid["seeds"], ratios_of(grid["ratios"], ticket["model"])[0]
    common = {**{key: ticket[key] for key in ("model", "task", "train_size")}, "kind": "winning", "draw": 1}
    ratios = [ratio_of_seed(ticket, seed) for seed in seeds]
    # The full model has no file: any ticket has the dimensions.
    runs = [{**common, "seed": seed, "ratio": ratio or smallest} for seed, ratio in zip(seeds, ratios, strict=True)]
    paths = [results / ticket_file(run) for run in runs]
    tickets = [Ticket.read(path) for path in paths]
    tickets = [
        each if ratio else Ticket.full(len(each.heads), each.heads_per_layer)
        for each, ratio in zip(tickets, ratios, strict=True)
    ]
    layers = len(tickets[0].heads)
    heads, ffn = np.zeros((layers, tickets[0].heads_per_layer)), np.zeros(layers)
    for seed_ticket in tickets:
        for layer, layer_heads in enumerate(seed_ticket.heads):
            heads[layer, list(layer_heads)] += 1
        ffn[list(seed_ticket.ffn)] += 1
    return heads / len(seeds), ffn / len(seeds)


def ratio_text(ticket: pd.Series, seeds: list[int]) -> str:
    """Describe the ratio of a super ticket, or the range of those of the seeds."""
    ratios = [ratio_of_seed(ticket, seed) for seed in seeds]
    low, high = min(ratios), max(ratios)
    return f"ratio {low:g}" if low == high else f"ratios {low:g} to {high:g}"


def panel(axis: Axes, heads: np.ndarray, ffn: np.ndarray) -> QuadMesh:
    """Draw the heads as a grid, layer 1 at the bottom, and the feed-forward blocks as a column beside the grid."""
    layers, count = heads.shape
    look = {"cmap": "Blues", "vmin": 0, "vmax": 1, "edgecolors": "0.8", "linewidth": 0.8}
    mesh = axis.pcolormesh(np.arange(count + 1) + 0.5, np.arange(layers + 1) + 0.5, heads, **look)
    axis.pcolormesh([count + 1.5, count + 2.5], np.arange(layers + 1) + 0.5, ffn[:, None], **look)
    label_units(axis, layers, count)
    return mesh


def note(chosen: pd.DataFrame, grid: dict[str, Any]) -> str:
    """Write the note of the figure: encoder, seeds, sizes, how tickets are chosen and scored, and who has none."""
    sizes = ", ".join(map(size_text, chosen["train_size"].unique()))
    without = ", ".join(chosen.loc[chosen["weight_remaining"].isna(), "task"].unique())
    by = "the score of each" if by_seed(grid) else "the mean score over seeds"
    return (
        f"Encoder: {', '.join(chosen['model'].unique())}. Super tickets of {len(grid['seeds'])} seeds, "
        f"{sizes}. The ratio is chosen on validation examples, by {by}. The "
        "importance of units is scored on each seed's own fine-tuned model."
        + f" No super ticket, as validation scores of every ratio are undefined: {without}."
        * bool(without)
    )
