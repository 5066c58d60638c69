"""Scores and comparisons of ways of training, for the tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from supertickets.evaluation.columns import read_table
from supertickets.evaluation.results import TABLES
from supertickets.evaluation.significance import holm, mean_of

#: Names of the modes of multi-task training.
MODES = {"full": "no tickets", "super": "super tickets", "random": "random tickets", "union": "union of tickets"}


def read_ways(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the scores and comparisons of the ways in which the tasks of one model were trained.

    Args:
        folder: folder of the tables, named after the model.

    Raises:
        UserError: a file is damaged, or is of another model.
    """
    of = {"model": folder.name}
    scores = read_table(folder / "scores.parquet", TABLES["scores of ways"], of)
    return scores, read_table(folder / "comparisons.csv", TABLES["comparisons of ways"], of)


def summarized(scores: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Average scores over seeds: the keys, ``seeds``, ``score``, ``std`` and ``weight_remaining``."""
    table = scores.groupby(keys, sort=False, as_index=False).agg(
        seeds=("seed", "nunique"),
        score=("value", mean_of),
        std=("value", "std"),
        weight_remaining=("weight_remaining", "mean"),
    )
    return table.assign(std=table["std"].where(table["score"].notna()))  # as the mean, of all seeds or of none


def with_differences(table: pd.DataFrame, compared: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Add ``chance`` and gains over a baseline to a table: ``difference``, ``low``, ``high``, ``p``, any ``documents``.

    The p values of each way are corrected together, over tasks and sizes; those of averages are not corrected.

    Args:
        table: rows with model, task, train_size, way, split and metric.
        compared: the comparisons (:func:`~supertickets.evaluation.ways.compare_ways`).
        baseline: the way that the others are compared with; its own rows have missing values.
    """
    rows = compared[compared["reported"] & (compared["baseline"] == baseline)]
    keys = ["model", "task", "train_size", "way", "split", "metric"]
    added = ["difference", "low", "high", "p"] + ["documents"] * ("documents" in rows)
    joined = table.merge(rows[[*keys, *added]], on=keys, how="left")
    of_all_ways = [name for name in keys if name != "way"]
    joined = joined.merge(rows[[*of_all_ways, "chance"]].drop_duplicates(of_all_ways), on=of_all_ways, how="left")
    for _, way_rows in joined[joined["task"] != "average"].groupby(["model", "way"]):
        joined.loc[way_rows.index, "p"] = holm(way_rows["p"].to_numpy())
    return joined
