"""Table: domain adaptation from encoders of other tasks that were trained with and without tickets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.results import reported, resampled_text
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import NO_TICKETS, PRETRAINED, source_of
from supertickets.experiment.paths import starts_name
from supertickets.experiment.train_sizes import size_text
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
    undefined_rows,
    with_intervals,
    write_formats,
)
from supertickets.report.tables.ways import MODES, read_ways, summarized, with_differences

#: Names of the units that a new task holds of an encoder.
TICKETS = {"full": "all", "union": "union", "nearest": "nearest task's"}


def write_domain_adaptation(
    results: Path,
    grid: dict[str, Any],
    shared: list[str],
    single: list[str],
    scored: str,
    csv: Path,
    md: Path,
    tex: Path,
) -> None:
    """Write scores on new tasks at each size of the training subset, for each start of training.

    Args:
        results: the results folder, with ``adaptation/``.
        grid: models and seeds.
        shared: the tasks that the multi-task encoders were trained on; there may be none.
        single: tasks with encoders of their own.
        scored: the part that is reported.
        csv, md, tex: files to write.
    """
    folder = results / "adaptation" / starts_name(shared, single)
    tables = [_of_model(folder / model, single, scored) for model in grid["models"]]
    table = pd.concat(tables, ignore_index=True)
    has_no_tickets = "difference_no_tickets" in table
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
    starts = [_start_and_ticket(way) for way in table["way"]]
    shown = table.assign(
        size=[size_text(size) for size in table["train_size"]],
        start=[start for start, _ in starts],
        ticket=[ticket for _, ticket in starts],
        gain=with_intervals(table, ["difference", "low", "high"], POINTS),
    )
    if has_no_tickets:
        names = [f"{name}_no_tickets" for name in ("difference", "low", "high")]
        shown["gain_no_tickets"] = with_intervals(table, names, POINTS)
    text = (
        "New tasks, trained alone: from the pre-trained weights, and from encoders that were trained on "
        f"{_sources_text(shared, single)}. {scope_note(table, grid)} Means and standard deviations over seeds, on the "
        f"{reported_splits_text(table)}. Gain: over training from the pre-trained weights, with {LEVEL:.0%} intervals "
        f"over seeds and {resampled_text(table)}; p with Holm's correction over tasks and sizes. Ticket: the part of "
        "the encoder that the new task has. Chance: the best score of one answer to all examples."
    )
    text += few_seeds_note(grid) + undefined_note(undefined_rows(table.loc[table["score"].isna(), "task"]))
    if has_no_tickets:
        on = " on the same tasks" if single else ""
        text += f" Over no tickets: the gain over the encoder that was trained{on} without tickets."
    if table["way"].str.endswith("-nearest").any():
        text += " Nearest: the ticket of the task with the most similar importance of units, by rank correlation."
    write_formats(table, columns, text, Files(csv, md, tex), shown)


def _start_and_ticket(way: str) -> tuple[str, str]:
    """What the table calls the encoder that a new task continues from, and the part of it that the task has."""
    if way == PRETRAINED:
        return "pre-trained weights", TICKETS["full"]
    source, _, start = way.rpartition(":")
    mode, _, ticket = start.partition("-")
    if source:
        name = f"{source} alone, {MODES[mode].removesuffix('s')}"
        return name, "its ticket" if ticket == "union" else TICKETS[ticket]
    return f"all tasks, {MODES[mode]}", TICKETS[ticket]


def _sources_text(shared: list[str], single: list[str]) -> str:
    """Which tasks the encoders were trained on."""
    if not single:
        return ", ".join(shared)
    together = f"{', '.join(shared)} together, and on " if shared else ""
    return f"{together}{', '.join(single)}{', each' * (len(single) > 1)} alone"


def _of_model(folder: Path, single: list[str], scored: str) -> pd.DataFrame:
    """Make the rows of one model: one for each task, size and way."""
    without_tickets = [NO_TICKETS, *(f"{task}:{NO_TICKETS}" for task in single)]
    scores, compared = read_ways(folder)
    table = summarized(reported(scores, scored), ["model", "task", "train_size", "split", "metric", "way"])
    table = with_differences(table, compared, PRETRAINED)
    keys, names = ["model", "task", "train_size", "way", "split", "metric"], ["difference", "low", "high", "p"]
    # The pre-trained weights have none: the table has their difference already, with the opposite sign.
    sources = table["way"].map(source_of).where(table["way"] != PRETRAINED)
    over = [
        with_differences(table.loc[sources == source_of(baseline), keys], compared, baseline)[[*keys, *names]]
        for baseline in without_tickets
        if baseline in set(compared["baseline"])
    ]
    if over:
        renamed = pd.concat(over).rename(columns={name: f"{name}_no_tickets" for name in names})
        table = table.merge(renamed, on=keys, how="left")
    return table
