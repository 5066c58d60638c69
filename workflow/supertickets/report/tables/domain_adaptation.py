"""Table: domain adaptation from multi-task encoders that were trained with and without tickets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.results import reported, resampled_text
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import NO_TICKETS, PRETRAINED
from supertickets.experiment.paths import shared_name, size_text
from supertickets.report.tables.formats import (
    POINTS,
    SCORE,
    SHARE,
    STD,
    Columns,
    Files,
    P,
    few_seeds_note,
    reported_splits_text,
    scope_note,
    undefined_note,
    with_intervals,
    write_formats,
)
from supertickets.report.tables.ways import MODES, read_ways, summarized, with_differences

#: Names of the units that a new task holds of an encoder.
TICKETS = {"full": "all", "union": "union", "nearest": "nearest task's"}


def write_domain_adaptation(
    results: Path, grid: dict[str, Any], shared: list[str], csv: Path, md: Path, tex: Path
) -> None:
    """Write scores on new tasks at each size of the training subset, for each start of training.

    Args:
        results: the results folder, with ``adaptation/``.
        grid: models and seeds.
        shared: the tasks that the multi-task encoders were trained on.
        csv, md, tex: files to write.
    """
    folder = results / "adaptation" / shared_name(shared)
    table = pd.concat([_of_model(folder / model, grid["seeds"]) for model in grid["models"]], ignore_index=True)
    has_no_tickets = NO_TICKETS in set(table["way"])
    columns: Columns = {"model": ("Model", ""), "task": ("Task", ""), "size": ("Trained on", "")}
    columns |= {
        "metric": ("Metric", ""),
        "chance": ("Chance", SCORE),
        "start": ("From", ""),
        "ticket": ("Ticket", ""),
        "weight_remaining": ("Weight", SHARE),
    }
    columns |= {"score": ("Score", SCORE), "std": ("Std", STD), "gain": ("Gain", ""), "p": ("p", P)}
    if has_no_tickets:
        columns |= {"gain_no_tickets": ("Over no tickets", ""), "p_no_tickets": ("p, over no tickets", P)}
    starts = table["way"].str.partition("-")
    shown = table.assign(
        size=[size_text(size) for size in table["train_size"]],
        start=["pre-trained weights" if mode == PRETRAINED else f"all tasks, {MODES[mode]}" for mode in starts[0]],
        ticket=starts[2].replace("", "full").map(TICKETS),
        gain=with_intervals(table, ["difference", "low", "high"], POINTS),
    )
    if has_no_tickets:
        names = [f"{name}_no_tickets" for name in ("difference", "low", "high")]
        shown["gain_no_tickets"] = with_intervals(table, names, POINTS)
    text = (
        "New tasks, trained alone: from the pre-trained weights, and from encoders that were trained on "
        f"{', '.join(shared)}. {scope_note(table, grid)} Means and standard deviations over seeds, on the "
        f"{reported_splits_text(table)}. Gain: over training from the pre-trained weights, with {LEVEL:.0%} intervals "
        f"over seeds and {resampled_text(table)}; p with Holm's correction over tasks and sizes. Ticket: the part of "
        "the encoder that the new task has. Chance: the best score of one answer to all examples."
    )
    text += few_seeds_note(grid) + undefined_note(table.loc[table["score"].isna(), "task"].unique())
    if has_no_tickets:
        text += " Over no tickets: the gain over the encoder that was trained without tickets."
    if "nearest" in set(starts[2]):
        text += " Nearest: the ticket of the task with the most similar importance of units, by rank correlation."
    write_formats(table, columns, text, Files(csv, md, tex), shown)


def _of_model(folder: Path, seeds: list[int]) -> pd.DataFrame:
    """Make the rows of one model: one for each task, size and way."""
    known = [PRETRAINED, *(f"{mode}-{ticket}" for mode in MODES for ticket in TICKETS)]
    scores, compared = read_ways(folder, seeds, known, PRETRAINED, NO_TICKETS)
    table = summarized(reported(scores), ["model", "task", "train_size", "split", "metric", "way"])
    table = with_differences(table, compared, PRETRAINED)
    if NO_TICKETS in set(compared["baseline"]):
        rows = table[["model", "task", "train_size", "way", "split", "metric"]]
        differences = with_differences(rows, compared, NO_TICKETS)[["difference", "low", "high", "p"]]
        table = table.join(differences.add_suffix("_no_tickets"))
        # Omitted for the pre-trained weights: the table has this difference already, with the opposite sign.
        table.loc[table["way"] == PRETRAINED, ["difference_no_tickets", "low_no_tickets", "high_no_tickets"]] = None
        table.loc[table["way"] == PRETRAINED, "p_no_tickets"] = None
    return table
