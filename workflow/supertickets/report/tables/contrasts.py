"""Table: winning tickets against those of every other kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supertickets.evaluation.phases import read_contrasts
from supertickets.evaluation.results import resampled_text, with_chance
from supertickets.evaluation.significance import LEVEL
from supertickets.report.tables.formats import (
    POINTS,
    RATIO,
    SCORE,
    SHARE,
    WHERE,
    Files,
    P,
    few_seeds_note,
    reported_splits_text,
    scope_note,
    t_intervals,
    undefined_note,
    undefined_rows,
    write_formats,
)


def write_contrasts(results: Path, grid: dict[str, Any], csv: Path, md: Path, tex: Path) -> None:
    """Write what winning tickets score more than those of every other kind, at every ratio.

    Args:
        results: the results folder, with contrasts, and comparisons of the winning tickets.
        grid: all kinds at the main size.
        csv, md, tex: files to write; the CSV file has all splits, the others have the reported split.
    """
    table = with_chance(read_contrasts(results, grid), results, grid)
    shown = table[table["reported"]]
    shown = shown.assign(interval=t_intervals(shown, "low", "high", POINTS))
    columns = WHERE | {
        "kind": ("Against", ""),
        "ratio": ("Ratio", RATIO),
        "weight_remaining": ("Weight", SHARE),
        "chance": ("Chance", SCORE),
        "winning": ("Winning", SCORE),
        "other": ("Other", SCORE),
        "difference": ("Difference", POINTS),
        "interval": (f"{LEVEL:.0%}", ""),
        "p_holm": ("p", P),
    }
    text = (
        f"Winning tickets minus tickets of other kinds at equal ratios. {scope_note(table, grid)} Scores on the "
        f"{reported_splits_text(shown)}, means over seeds, and over the draws of a seed. {LEVEL:.0%} intervals over "
        f"seeds and {resampled_text(table)}; p with Holm's correction over ratios and tasks, for each kind. "
        "Chance: the best score of one answer to all examples."
    )
    text += few_seeds_note(grid) + undefined_note(undefined_rows(shown.loc[shown["difference"].isna(), "task"]))
    write_formats(table, columns, text, Files(csv, md, tex), shown)
