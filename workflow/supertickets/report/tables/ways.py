"""Ways of training, as tables show them."""

from __future__ import annotations

from collections.abc import Collection
from itertools import product
from pathlib import Path

import pandas as pd

from supertickets.errors import DamagedError
from supertickets.evaluation.columns import read_table
from supertickets.evaluation.results import TABLES, not_each
from supertickets.evaluation.significance import holm

#: What modes of training on several tasks are called.
MODES = {"full": "no tickets", "super": "super tickets", "random": "random tickets", "union": "union of tickets"}


def read_ways(
    folder: Path, seeds: list[int], known: Collection[str], *baselines: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and comparisons of the ways in which tasks were trained by one model, which the folder is named by.

    Args:
        folder: theirs.
        seeds: of every way.
        known: the ways that there are.
        baselines: those that the others are compared with, where they were scored; the first must be.

    Raises:
        UserError: a file is damaged, of another model, of other ways, or not of all ways, seeds and tasks.
    """
    paths = folder / "scores.parquet", folder / "comparisons.csv"
    contents = TABLES["scores of ways"], TABLES["comparisons of ways"]
    scores, compared = tables = [read_table(path, content=one) for path, one in zip(paths, contents, strict=True)]
    for path, table in zip(paths, tables, strict=True):
        if (wrong := table["model"] != folder.name).any():
            raise DamagedError(path, f"it is of the model {table.loc[wrong, 'model'].iloc[0]!r:.80}")
    ways = {*scores["way"]}
    if strange := ways - {*known} or {*baselines[:1]} - ways:
        raise DamagedError(paths[0], f"its ways are strange or lack the baseline: {', '.join(sorted(strange))}"[:200])
    expected = {(way, baseline) for baseline in ways.intersection(baselines) for way in ways - {baseline}}
    wanted = (["way", "seed"], {*product(ways, seeds)}), (["way", "baseline"], expected)
    for path, table, (keys, each) in zip(paths, tables, wanted, strict=True):
        if wrong := not_each(table, ["task", "train_size", "split", "metric"], keys, each):
            raise DamagedError(path, wrong)
    trials = [{*zip(table["task"], table["train_size"], strict=True)} for table in tables]
    for task, size in sorted(trials[0] ^ {trial for trial in trials[1] if trial[0] != "average"}):
        raise DamagedError(paths[1], f"{task}, {size} is not both scored and compared")
    return scores, compared


def summarized(scores: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Means over seeds: the keys, ``seeds``, ``score``, ``std`` and ``weight_remaining``."""
    return scores.groupby(keys, sort=False, as_index=False).agg(
        seeds=("seed", "nunique"),
        score=("value", "mean"),
        std=("value", "std"),
        weight_remaining=("weight_remaining", "mean"),
    )


def with_differences(table: pd.DataFrame, compared: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """A table with what its rows gain over a baseline: ``difference``, ``low``, ``high``, ``p``.

    Args:
        table: rows with model, task, train_size, way, split and metric.
        compared: the comparisons (:func:`~supertickets.evaluation.ways.compare_ways`).
        baseline: the way that has none of these. P values of each other way are corrected together, over tasks and
            sizes; an average's are not.
    """
    found = compared[compared["reported"] & (compared["baseline"] == baseline)]
    keys = ["model", "task", "train_size", "way", "split", "metric"]
    joined = table.merge(found[[*keys, "difference", "low", "high", "p"]], on=keys, how="left")
    for _, rows in joined[joined["task"] != "average"].groupby(["model", "way"]):
        joined.loc[rows.index, "p"] = holm(rows["p"].to_numpy())
    return joined
