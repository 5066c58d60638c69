"""Table: the three phases of each curve, and where winning tickets beat those of other kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.phases import read_contrasts, read_phases
from supertickets.evaluation.significance import LEVEL
from supertickets.report.tables.formats import (
    WHERE,
    Columns,
    Files,
    reported_splits_text,
    scope_note,
    undefined_note,
    untrained_note,
    write_formats,
)


def write_phases(
    results: Path, grid: dict[str, Any], margins: dict[str, float], csv: Path, md: Path, tex: Path
) -> None:
    """Write where phases I and III end and begin, and the ratios at which winning tickets beat those of each kind.

    Args:
        results: the results folder, with comparisons of the winning tickets and contrasts of the other kinds.
        grid: all kinds at the main size.
        margins: by task, in points.
        csv, md, tex: files to write.
    """
    table = read_phases(results, grid, margins)
    others = [kind for kind in grid["kinds"] if kind != "winning"]
    for kind in others:
        rows = read_contrasts(results, {**grid, "kinds": ["winning", kind]})
        rows = rows[rows["reported"]]
        table[f"beats_{kind}"] = [
            _beaten(rows[(rows[MODEL_TASK_SIZE] == row[MODEL_TASK_SIZE]).all(axis=1)]) for _, row in table.iterrows()
        ]
    names = [("first_ends", "Phase I to"), ("third_begins", "Phase III from")]
    shown = table.assign(**{name: [_boundary(row, name) for _, row in table.iterrows()] for name, _ in names})
    columns: Columns = {**WHERE, "margin": ("Margin", "g"), **{name: (head, "") for name, head in names}}
    columns |= {f"beats_{kind}": (f"Beats {kind.replace('_', ' ')} at", "") for kind in others}
    text = (
        f"Phases, as ratios. {scope_note(table, grid)} Scores on the {reported_splits_text(table)}. Phase I: no "
        "winning ticket up to there loses more than the margin to the full model (0: the full model alone). Phase III: "
        "from there on none is better than random tickets by more than the margin (beyond: the last ratio still is). "
        "Between them, in phase II, winning tickets are worse than the full model, but better than random ones. "
        f"Boundaries are of mean scores; each end of their intervals is shown at {LEVEL:.0%} (one-sided, Holm over "
        "ratios). Beats: ratios at which winning tickets are significantly better (Holm, over ratios and tasks), with "
        "the largest difference."
    )
    names = table["model"] + " on " + table["task"]
    empty = table["first_ends"].isna() | (table["third_begins"].isna() & ("random" in others))
    counts = table["undefined"].astype(str) + " of the differences of " + names
    text += undefined_note(counts[empty & (table["undefined"] > 0)])
    tested = table["seeds"] > 1
    if untrained := untrained_note(table[tested], names[tested]):
        text += f"{untrained} They have no phases; where winning tickets beat others is tested all the same."
    write_formats(table, columns, text, Files(csv, md, tex), shown)


def _boundary(row: pd.Series, name: str) -> str:
    """A boundary and its interval in words, empty where there is none."""
    value, low, high = (
        "beyond" if row[key] == float("inf") else f"{row[key]:.2f}" for key in (name, f"{name}_low", f"{name}_high")
    )
    if pd.isna(row[name]):
        return ""
    return value if pd.isna(row[f"{name}_low"]) else f"{value} ({low} to {high})"


def _beaten(rows: pd.DataFrame) -> str:
    """The ratios at which winning tickets are significantly better, and the largest difference there."""
    better = rows[(rows["p_holm"] <= 1 - LEVEL) & (rows["difference"] > 0)].sort_values("ratio")
    if better.empty:
        return "none"
    return f"{', '.join(format(ratio, 'g') for ratio in better['ratio'])} (by {better['difference'].max():.1f})"
