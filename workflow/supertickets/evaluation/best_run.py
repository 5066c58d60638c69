"""The run of a group with the best validation score, at a ratio or of what is exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supertickets.evaluation.results import chosen_ratio, read_groups
from supertickets.experiment.grid import group_runs


def exported_run(results: Path, grid: dict[str, Any], group: dict[str, Any], metric: str, which: str) -> dict[str, Any]:
    """The :func:`best_run` among the full models, or among the tickets of the super ticket's ratio.

    Args:
        results, grid, group, metric: as of :func:`best_run`.
        which: ``full`` or ``super``.

    Raises:
        UserError: a file is damaged, or there is no super ticket.
    """
    ratios = [0.0] * len(grid["seeds"])
    if which == "super":
        ratios = [chosen_ratio(results, group, seed) for seed in grid["seeds"]]
    return best_run(results, grid, group, metric, *ratios)


def best_run(results: Path, grid: dict[str, Any], group: dict[str, Any], metric: str, *ratios: float) -> dict[str, Any]:
    """The run with the best validation score among the seeds of a ratio; the first seed of equals.

    Undefined scores come last: where all are, it is the run of the first seed.

    Args:
        results: the results folder, with the scores of the group.
        grid: axes of the grid (:func:`~supertickets.experiment.grid.grid_of`).
        group: model, task, train_size and the kind ``winning``.
        metric: the task's first metric.
        ratios: of the tickets, one of the grid's for all seeds, or one for each; 0 for the full models.

    Raises:
        UserError: the file of the scores is damaged.
    """
    scores = read_groups(results, "scores", [group])
    by_seed = dict(zip(grid["seeds"], ratios if len(ratios) > 1 else ratios * len(grid["seeds"]), strict=True))
    scores = scores[(scores["split"] == "validation") & (scores["metric"] == metric)]
    scores = scores[scores["ratio"] == scores["seed"].map(by_seed)]
    seed = int(scores.sort_values(["value", "seed"], ascending=[False, True])["seed"].iloc[0])
    runs = group_runs(grid, group)
    return next(run for run in runs if run["seed"] == seed and run["ratio"] == by_seed[seed] and run["draw"] == 1)
