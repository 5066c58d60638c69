"""Table: the scores of all tickets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supertickets.evaluation.columns import MODEL_TASK_SIZE
from supertickets.evaluation.results import read_groups, read_judged, reported, resampled_text
from supertickets.evaluation.significance import LEVEL, mean_of
from supertickets.experiment.grid import groups_of
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
    undefined_scores,
    write_formats,
)


def write_sweep(results: Path, grid: dict[str, Any], csv: Path, md: Path, tex: Path) -> None:
    """Write the score of every ratio, kind and size, its spread over seeds and its difference to the full model.

    Args:
        results: the results folder, with scores and ``comparisons.csv``.
        grid: the axes of the runs.
        csv, md, tex: files to write; the CSV file has all splits and metrics, the others have the reported split and
            the first metric.
    """
    scores = read_groups(results, "scores", groups_of(grid))
    keys = [*MODEL_TASK_SIZE, "kind", "ratio", "split", "metric"]
    cut = ["heads_pruned", "ffn_pruned", "weight_remaining"]
    by_seed = scores.groupby([*keys, "seed"], sort=False, as_index=False)[["value", *cut, "examples"]].agg(mean_of)
    grouped = by_seed.groupby(keys, sort=False)
    table = grouped.agg(
        **{name: (name, "mean") for name in [*cut, "examples"]},
        seeds=("seed", "nunique"),
        mean=("value", mean_of),
        std=("value", "std"),
        min=("value", "min"),
        max=("value", "max"),
    ).reset_index()
    spread = ["std", "min", "max"]
    table[spread] = table[spread].where(table["mean"].notna())  # as the mean, of all seeds or of none
    comparisons = read_judged(results, "comparisons.csv")
    tested = ["chance", "difference", "low", "high", "p", "p_holm", "seeds_low", "seeds_high", "p_seeds"]
    tested += ["p_seeds_holm", "examples_low", "examples_high"]
    tested += ["documents"] * ("documents" in comparisons)
    table = table.merge(comparisons[[*keys, *tested]], on=keys, how="left")
    shown = reported(table)
    shown = shown.assign(interval=t_intervals(shown, "low", "high", POINTS))
    columns = WHERE | {
        "kind": ("Kind", ""),
        "ratio": ("Ratio", RATIO),
        "weight_remaining": ("Weight", SHARE),
        "chance": ("Chance", SCORE),
        "mean": ("Mean", SCORE),
        "std": ("Std", SCORE),
        "difference": ("To full", POINTS),
        "interval": (f"{LEVEL:.0%}", ""),
        "p_holm": ("p", P),
    }
    text = (
        f"All tickets. {scope_note(scores, grid)} Scores on the {reported_splits_text(shown)}; mean and standard "
        "deviation over seeds. Chance: the best score of one answer to all examples. Differences to the full model "
        f"have {LEVEL:.0%} intervals over seeds and {resampled_text(comparisons)}; p with Holm's correction over "
        f"ratios and tasks, for each kind and size.{few_seeds_note(grid)}"
        f"{undefined_note(undefined_scores(scores))}"
    )
    write_formats(table, columns, text, Files(csv, md, tex), shown)
