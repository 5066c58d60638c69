"""Compare winning tickets with those of another kind that prune as much, on the same seeds and examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.compare import mean_cut, outcomes_by_ratio, runs_by_ratio, sampled
from supertickets.evaluation.results import reported_split, write_csv
from supertickets.evaluation.significance import difference
from supertickets.experiment.grid import separator_of


def contrast_group(results: Path, grid: dict[str, Any], group: dict[str, Any], metric: str, table: Path) -> None:
    """Write the differences winning - other between tickets of equal ratios, for every ratio and split.

    Args:
        results: the results folder.
        grid: the axes of the runs (:func:`~supertickets.experiment.grid.grid_of`), and ``separators`` of tasks whose
            examples are of documents (:func:`~supertickets.experiment.settings.separators_of`).
        group: model, task, train_size and the other kind; scores are averaged over a seed's draws.
        metric: the task's first metric.
        table: CSV file to write: the group, ratio, heads_pruned, ffn_pruned, weight_remaining (of the winning tickets),
            split, reported (whether this is the reported split), metric, seeds, examples, documents (of a task
            that has them), other and winning (their mean scores), and the further columns of
            :func:`~supertickets.evaluation.significance.difference`.
    """
    seeds = len(grid["seeds"])
    winning = {("winning", ratio): runs for ratio, runs in runs_by_ratio(grid, group | {"kind": "winning"}).items()}
    others = {(group["kind"], ratio): runs for ratio, runs in runs_by_ratio(grid, group).items() if ratio > 0}
    runs = {key: runs for key, runs in {**winning, **others}.items() if key[1] > 0}
    by_split = outcomes_by_ratio(results, runs, separator_of(grid, group["task"]))
    rows = []
    for split, outcomes in by_split.items():
        for kind, ratio in others:
            other, ticket = outcomes[kind, ratio], outcomes["winning", ratio]
            row = {**group, "ratio": ratio, **mean_cut(results, runs["winning", ratio])}
            row |= {"split": split, "reported": split == reported_split(by_split)}
            row |= {"metric": metric, "seeds": seeds, **ticket.counts}
            rows.append(row | difference(sampled(metric, other, seeds), sampled(metric, ticket, seeds)))
    write_csv(table, pd.DataFrame(rows).rename(columns={"full": "other", "ticket": "winning"}))
