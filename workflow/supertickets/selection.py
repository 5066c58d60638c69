"""Choose the super tickets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from .files import replacing

EXPERIMENT = ["model", "task", "train_size"]
TICKET = ["kind", "ratio"]


def super_tickets(scores: pd.DataFrame, first_metric: dict[str, str]) -> pd.DataFrame:
    """Per model, task and size the winning ticket with the best mean validation score over seeds.

    At equal means the ticket with the smaller ratio is chosen.

    Args:
        scores: the tidy table of :mod:`supertickets.scores`.
        first_metric: the metric that decides, by task.

    Returns:
        One row per model, task and train_size: metric, kind, ratio, seeds, means over seeds of heads_pruned,
        ffn_pruned and weight_remaining, mean and standard deviation of validation and test score, and the full
        model's means (``full_validation``, ``full_test``).
    """
    decisive = scores[scores["metric"] == scores["task"].map(first_metric)]
    values = decisive.pivot_table(index=[*EXPERIMENT, *TICKET, "seed"], columns="split", values="value").reset_index()
    grouped = values.groupby([*EXPERIMENT, *TICKET])
    table = grouped.agg(
        seeds=("seed", "nunique"),
        validation_mean=("validation", "mean"),
        validation_std=("validation", "std"),
        test_mean=("test", "mean"),
        test_std=("test", "std"),
    ).reset_index()
    units = decisive.groupby([*EXPERIMENT, *TICKET])[["heads_pruned", "ffn_pruned", "weight_remaining"]].mean()
    table = table.merge(units.reset_index(), on=[*EXPERIMENT, *TICKET])
    full = table[table["kind"] == "full"].set_index(EXPERIMENT)[["validation_mean", "test_mean"]]
    best = (
        table[table["kind"] == "winning"]
        .sort_values(["validation_mean", "ratio"], ascending=[False, True], kind="stable")
        .drop_duplicates(EXPERIMENT)
        .join(full.rename(columns={"validation_mean": "full_validation", "test_mean": "full_test"}), on=EXPERIMENT)
        .sort_values(EXPERIMENT)
    )
    best.insert(len(EXPERIMENT), "metric", best["task"].map(first_metric))
    return best.reset_index(drop=True)


def write_super_tickets(scores: Path, metrics: dict[str, Any], table: Path) -> None:
    """Write the table of super tickets as CSV.

    Args:
        scores: ``scores.parquet``.
        metrics: names of metrics by task; the first decides.
        table: CSV file to write.
    """
    chosen = super_tickets(pd.read_parquet(scores), {task: names[0] for task, names in metrics.items()})
    with replacing(table) as part:
        chosen.to_csv(part, index=False, lineterminator="\n")
