"""Table: super tickets, and a verdict on each."""

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
    scope_note,
    told,
    write_formats,
)


def write_super_tickets(results: Path, grid: dict[str, Any], csv: Path, md: Path, tex: Path) -> None:
    """Write which ticket is best on validation, where the curve peaks and until where it holds, and a verdict.

    Args:
        results: the results folder, with ``verdicts.csv``.
        grid: what spans the runs.
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
        "Peak: the ratio with the best mean, 0 for the full model, with its interval by bootstrap over seeds. Peak and "
        f"verdict are of the {told(table)}. Holds to: the largest "
        "ratio up to which no ticket is significantly worse than the full model (Holm, over ratios and tasks). Losses "
        f"not excluded: by the {LEVEL:.0%} intervals of the tickets up to there, over seeds and examples."
    )
    write_formats(shown.drop(columns="peak"), columns, text, Files(csv, md, tex), shown)
