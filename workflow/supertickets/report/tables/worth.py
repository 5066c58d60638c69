"""Table: whether pruning is worth it on a task, in a sentence, and what else could take the full model's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.latency import SPEEDUP, machines_text, place_text
from supertickets.evaluation.results import resampled_text
from supertickets.evaluation.significance import LEVEL
from supertickets.evaluation.worth import candidates_of
from supertickets.report.tables.formats import (
    POINTS,
    SHARE,
    WHERE,
    Files,
    few_seeds_note,
    reported_splits_text,
    scope_note,
    t_intervals,
    with_intervals,
    write_formats,
)


def write_worth(
    results: Path,
    grid: dict[str, Any],
    margins: dict[str, float],
    rivals: dict[str, dict[str, str]],
    int8: int,
    csv: Path,
    md: Path,
    tex: Path,
) -> None:
    """Write the answer for every model and task, beside what each candidate loses or gains and how fast it is.

    Args:
        results: the results folder, with selections, comparisons and latency, and comparisons of rivals and in int8
            where there are any.
        grid: the winning tickets at the main size.
        margins: by task the loss, in points, that still counts as kept.
        rivals: of each model, with their names in words.
        int8: 1 if there are predictions in int8.
        csv, md, tex: files to write; all have a row for each candidate.
    """
    table, machines = candidates_of(results, grid, margins, rivals, bool(int8))
    first = table.drop_duplicates(MODEL_TASK_SIZE).index
    shown = table.assign(
        interval=t_intervals(table, "low", "high", POINTS),
        times=with_intervals(table, SPEEDUP, ".2f", over_seeds=False),
        answer=table["answer"].where(table.index.isin(first)),
    )
    columns = WHERE | {
        "answer": ("Worth it?", ""),
        "candidate": ("Candidate", ""),
        "weight": ("Weight", SHARE),
        "difference": ("Minus full", POINTS),
        "interval": (f"{LEVEL:.0%}", ""),
        "score": ("Score", ""),
        "times": ("Speed-up", ""),
    }
    write_formats(table, columns, _note(table, grid, machines), Files(csv, md, tex), shown)


def _note(table: pd.DataFrame, grid: dict[str, Any], machines: dict[tuple[str, str], dict[str, Any]]) -> str:
    """The note of the table."""
    text = (
        f"Is it worth it? {scope_note(table, grid)} Candidates: the super ticket, for each seed the one that the other "
        "seeds chose on validation; the lightest ticket that is shown to keep the score, if that is another; rivals; "
        "and, where the config asks for int8, the full model and the super ticket in int8. Minus full: less the "
        f"full model of the same seed, on the {reported_splits_text(table)}, with {LEVEL:.0%} intervals over seeds and "
        f"{resampled_text(table)}; the lightest ticket has none, as its own scores have chosen it. Score: keeps, if "
        "shown to lose less than the margin; loses, if shown to lose, and more than the margin as measured; tests are "
        f"at {1 - LEVEL:.0%}, with Holm's correction over candidates and tasks, for each model."
    )
    text += few_seeds_note(grid)
    for _, row in table[table["speedup"].notna() & ~table["rounded"]].head(1).iterrows():
        text += (
            f" Speed-up: over the full model, of batches of {row['batch_size']} x {row['length']} tokens by "
            f"{place_text(row)}, {machines_text(machines)}; in parentheses {LEVEL:.0%} intervals over rounds."
        )
    if table["rounded"].any():
        text += " That of int8, by onnxruntime, is the quotient of two medians of different rounds."
    return f"{text} The answer is the fastest candidate that keeps the score and is shown to be faster."
