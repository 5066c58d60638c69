"""Table: the super tickets, with a verdict on each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.power import POWER as POWER_SHARE
from supertickets.evaluation.results import POWER, read_judged, resampled_text
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import by_seed, with_full
from supertickets.report.tables.formats import (
    COUNT,
    RATIO,
    SHARE,
    WHERE,
    WRITTEN,
    Files,
    between,
    detectable,
    further_note,
    reported_splits_text,
    scope_note,
    tasks_and_parts,
    undefined_note,
    undefined_rows,
    write_formats,
)


def choice_text(grid: dict[str, Any]) -> str:
    """Describe what is unusual in the choice of super tickets; empty if nothing is."""
    own = "Cuts and weight are of the tickets that each seed chose by its own score. " if by_seed(grid) else ""
    return own + full_choice_text(grid)


def full_choice_text(grid: dict[str, Any]) -> str:
    """Say where the full model can be chosen; empty if it cannot."""
    return "The full model can be chosen, too (ratio 0). " * with_full(grid)


def write_super_tickets(results: Path, grid: dict[str, Any], csv: Path, md: Path, tex: Path) -> None:
    """Write the super ticket, the peak of its curve, the weight down to which the score is kept, and a verdict.

    Args:
        results: the results folder, with ``verdicts.csv``.
        grid: the axes of the runs.
        csv, md, tex: files to write.
    """
    table = read_judged(results, "verdicts.csv", further=True)
    names = [*MODEL_TASK_SIZE, "metric", "split", "seeds", "ratio", "heads_pruned", "ffn_pruned", "weight_remaining"]
    names += ["ratios"] * ("ratios" in table) + [
        "peak_ratio",
        "peak_low",
        "peak_high",
        "margin",
        "keeps_ratio",
        "keeps_weight",
        *POWER,
    ]
    names += ["documents_needed"] * ("documents_needed" in table) + ["verdict"]
    shown = table[names].assign(
        peak=between(table, "peak_low", "peak_high", RATIO),
        task=tasks_and_parts(table),
        detectable=detectable(table, "detectable"),
    )
    columns = WHERE | {
        "ratio": ("Ratio", RATIO),
        **({"ratios": ("Ratio by seed", "")} if "ratios" in table else {}),
        "heads_pruned": ("Heads cut", COUNT),
        "ffn_pruned": ("FFNs cut", COUNT),
        "weight_remaining": ("Weight", SHARE),
        "peak_ratio": ("Peak", RATIO),
        "peak": ("Peak, interval", ""),
        "keeps_weight": ("Keeps to", SHARE),
        "detectable": ("Detectable", WRITTEN),
        "verdict": ("Verdict", ""),
    }
    text = (
        "Super tickets: the winning ticket with the best mean validation score over seeds, the heavier of equals. "
        f"{choice_text(grid)}{scope_note(table, grid)} "
        "Peak: the ratio with the best mean score, 0 for the full model, with a bootstrap interval over seeds. Peak "
        f"and verdict are for the {reported_splits_text(table)}. Gains: see the table single_task_dev. Keeps to: the "
        "least weight down to which every ticket is shown to lose less than the margin (one-sided, Holm over ratios). "
        "Loses: the lightest pruning beyond that which is significantly worse than the full model (Holm, over ratios "
        f"and tasks). Detectable: the smallest difference that such an experiment finds in {POWER_SHARE:.0%} of cases "
        "(>: more than scores can differ by). All tests are "
        f"at {1 - LEVEL:.0%}, over seeds and {resampled_text(table)}."
    )
    text += undefined_note(undefined_rows(shown.loc[table["verdict"].str.startswith("undefined:"), "task"]))
    text += further_note(table)
    write_formats(table[names], columns, text, Files(csv, md, tex), shown)
