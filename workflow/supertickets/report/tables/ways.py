"""Scores and comparisons of ways of training, for the tables."""

from __future__ import annotations

from collections.abc import Collection
from itertools import product
from pathlib import Path

import pandas as pd

from supertickets.errors import DamagedError
from supertickets.evaluation.columns import read_table
from supertickets.evaluation.results import TABLES, not_each
from supertickets.evaluation.significance import holm, mean_of

#: Names of the modes of multi-task training.
MODES = {"full": "no tickets", "super": "super tickets", "random": "random tickets", "union": "union of tickets"}


def read_ways(
    folder: Path, seeds: list[int], known: Collection[str], *baselines: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the scores and comparisons of the ways in which the tasks of one model were trained.

    Args:
        folder: folder of the tables, named after the model.
        seeds: the seeds of every way.
        known: all known ways.
        baselines: ways that the other ways are compared with, if they were scored; the first must have been scored.

    Raises:
        UserError: a file is damaged, is of another model, has unknown ways, or lacks ways, seeds or tasks.
    """
    paths = folder / "scores.parquet", folder / "comparisons.csv"
    contents = TABLES["scores of ways"], TABLES["comparisons of ways"]
    tables = [read_table(path, content=content) for path, content in zip(paths, contents, strict=True)]
    scores, compared = tables
    for path, table in zip(paths, tables, strict=True):
        if (wrong := table["model"] != folder.name).any():
            raise DamagedError(path, f"it is of the model {table.loc[wrong, 'model'].iloc[0]!r:.80}")
    ways = {*scores["way"]}
    if wrong := ways - {*known} or {*baselines[:1]} - ways:
        raise DamagedError(paths[0], f"unknown ways, or no baseline: {', '.join(sorted(wrong))}"[:200])
    pairs = {(way, baseline) for baseline in ways.intersection(baselines) for way in ways - {baseline}}
    expected = (["way", "seed"], {*product(ways, seeds)}), (["way", "baseline"], pairs)
    for path, table, (keys, values) in zip(paths, tables, expected, strict=True):
        if wrong := not_each(table, ["task", "train_size", "split", "metric"], keys, values):
            raise DamagedError(path, wrong)
    trials = [{*zip(table["task"], table["train_size"], strict=True)} for table in tables]
    for task, size in sorted(trials[0] ^ {trial for trial in trials[1] if trial[0] != "average"}):
        raise DamagedError(paths[1], f"{task}, {size} is not both scored and compared")
    return scores, compared


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
