"""Table: rivals against the full model and the super ticket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.results import resampled_text
from supertickets.evaluation.rivals import read_rivals
from supertickets.evaluation.significance import LEVEL
from supertickets.report.tables.formats import (
    POINTS,
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
    untrained_note,
    write_formats,
)


def write_rivals(
    results: Path, grid: dict[str, Any], rivals: dict[str, list[str]], csv: Path, md: Path, tex: Path
) -> None:
    """Write the differences of rivals to the full model, and of the super ticket to rivals.

    Args:
        results: the results folder, with rivals.
        grid: the winning tickets at the main size.
        rivals: of each model.
        csv, md, tex: files to write; the CSV file has a row for each comparison, the others have one for each rival.
    """
    table = read_rivals(results, grid)
    rows = table.assign(interval=t_intervals(table, "low", "high", POINTS))
    shown, super_ticket = (
        rows[rows["way"] == way].set_index([*MODEL_TASK_SIZE, "rival"]) for way in ("rival", "super")
    )
    shown = shown.join(super_ticket[["difference", "interval", "p_holm"]].add_suffix("_super")).reset_index()
    columns = WHERE | {
        "rival": ("Rival", ""),
        "weight": ("Weight", SHARE),
        "chance": ("Chance", SCORE),
        "ticket": ("Score", SCORE),
        "difference": ("Minus full", POINTS),
        "interval": (f"{LEVEL:.0%}", ""),
        "p_holm": ("p", P),
        "weight_remaining": ("Ticket's weight", SHARE),
        "difference_super": ("Ticket minus rival", POINTS),
        "interval_super": (f"{LEVEL:.0%} of it", ""),
        "p_holm_super": ("p of it", P),
    }
    text = (
        f"Rivals: full models of other encoders. {scope_note(table, grid)} Weight: the rival's parameters as a share "
        f"of the model's. Scores on the {reported_splits_text(shown)}, means over seeds. Minus full: less the full "
        "model of the same seed. Ticket: the super ticket, for each seed the one that the other seeds chose on "
        f"validation; its weight is that of the one that all chose. {LEVEL:.0%} intervals over seeds and "
        f"{resampled_text(table)}; p with Holm's correction over rivals and tasks, for each model and comparison. "
        "Chance: the best score of one answer to all examples."
    )
    names = shown["rival"] + " on " + shown["task"]
    undefined = shown[["difference", "difference_super"]].isna().any(axis=1)
    text += few_seeds_note(grid) + undefined_note(names[undefined]) + untrained_note(shown, names)
    write_formats(table, columns, text, Files(csv, md, tex), shown)
