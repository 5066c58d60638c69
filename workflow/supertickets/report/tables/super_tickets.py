"""Table: the super tickets, with a verdict on each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supertickets.evaluation.results import read_judged
from supertickets.evaluation.select_ticket import EXPERIMENT
from supertickets.evaluation.significance import LEVEL
from supertickets.report.tables.formats import (
    COUNT,
    RATIO,
    SHARE,
    WHERE,
    Files,
    between,
    reported_splits_text,
    scope_note,
    write_formats,
)


def write_super_tickets(results: Path, grid: dict[str, Any], csv: Path, md: Path, tex: Path) -> None:
    """Write the ticket best on validation, the peak of its curve, the ratio up to which it holds, and a verdict.

    Args:
        results: the results folder, with ``verdicts.csv``.
        grid: the axes of the runs.
        csv, md, tex: files to write.
    """
    table = read_judged(results, "verdicts.csv", grid)
    names = [*EXPERIMENT, "metric", "split", "seeds", "ratio", "heads_pruned", "ffn_pruned", "weight_remaining"]
    names += ["peak_ratio", "peak_low", "peak_high", "holds_ratio", "holds_weight", "verdict"]
    shown = table[names].assign(peak=between(table, "peak_low", "peak_high", RATIO))
    columns = WHERE | {
        "ratio": ("Ratio", RATIO),
        "heads_pruned": ("Heads cut", COUNT),
        "ffn_pruned": ("FFNs cut", COUNT),
        "weight_remaining": ("Weight", SHARE),
        "peak_ratio": ("Peak", RATIO),
        "peak": ("Peak, interval", ""),
        "holds_ratio": ("Holds to", RATIO),
        "verdict": ("Verdict", ""),
    }
    text = (
        "Super tickets: the winning ticket with the best mean validation score over seeds, the heavier of equals. "
        f"{scope_note(table, grid)} "
        "Peak: the ratio with the best mean score, 0 for the full model, with a bootstrap interval over seeds. Peak "
        f"and verdict are for the {reported_splits_text(table)}. Holds to: the largest "
        "ratio up to which no ticket is significantly worse than the full model (Holm, over ratios and tasks). Losses "
        f"not excluded: by the {LEVEL:.0%} intervals of the tickets up to this ratio, over seeds and examples."
    )
    write_formats(shown.drop(columns="peak"), columns, text, Files(csv, md, tex), shown)
