"""Score and compare the ways in which tasks were trained: together or alone, or continued from another encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supertickets.evaluation.results import chosen_ratio, write_csv
from supertickets.evaluation.ways import Ways, compare_ways, score_ways
from supertickets.experiment.grid import (
    BASELINE,
    NO_TICKETS,
    PRETRAINED,
    adaptation_ways,
    multi_task_ways,
    separator_of,
)
from supertickets.files import replacing


def multi_task_trained(results: Path, grid: dict[str, Any]) -> list[Ways]:
    """How each task was trained (:func:`~supertickets.experiment.grid.multi_task_ways`).

    Args:
        results: the results folder, with selections of the tasks that no ratio is given for.
        grid: what spans the trainings, and ``metrics`` and, where the config gives them, ``ratios`` and ``separators``
            (:func:`~supertickets.experiment.settings.separators_of`) by task.
    """
    trained = []
    for task, metrics in grid["metrics"].items():
        ratio = grid["ratios"].get(task)
        trial = {**grid, "task": task}
        ratios = [chosen_ratio(results, trial, seed) if ratio is None else ratio for seed in grid["seeds"]]
        where, runs = multi_task_ways(grid, task, ratios)
        trained.append(Ways(where, metrics, runs, separator_of(grid, task)))
    return trained


def score_multi_task(results: Path, grid: dict[str, Any], scores: Path) -> None:
    """Score the trainings of one model.

    Args:
        results: the results folder.
        grid: see :func:`multi_task_trained`.
        scores: Parquet file to write (:func:`~supertickets.evaluation.ways.score_ways`).
    """
    table = score_ways(results, multi_task_trained(results, grid))
    with replacing(scores) as part:
        table.to_parquet(part, index=False)


def compare_multi_task(results: Path, grid: dict[str, Any], table: Path) -> None:
    """Write how all ways differ from training on all tasks without tickets.

    Args:
        results: the results folder.
        grid: see :func:`multi_task_trained`; ``full`` is among its modes.
        table: CSV file to write (:func:`~supertickets.evaluation.ways.compare_ways`), with the average over tasks.
    """
    write_csv(table, compare_ways(results, multi_task_trained(results, grid), [BASELINE], average=True))


def adaptation_trained(grid: dict[str, Any]) -> list[Ways]:
    """How each new task was trained at each size.

    Args:
        grid: see :func:`~supertickets.experiment.grid.adaptation_ways`, and ``separators`` as of multi-task training.
    """
    return [
        Ways(where, grid["metrics"][where["task"]], runs, separator_of(grid, where["task"]))
        for where, runs in adaptation_ways(grid)
    ]


def score_adaptation(results: Path, grid: dict[str, Any], scores: Path) -> None:
    """Score the trainings of one model on new tasks.

    Args:
        results: the results folder.
        grid: see :func:`adaptation_trained`.
        scores: Parquet file to write (:func:`~supertickets.evaluation.ways.score_ways`).
    """
    table = score_ways(results, adaptation_trained(grid))
    with replacing(scores) as part:
        table.to_parquet(part, index=False)


def compare_adaptation(results: Path, grid: dict[str, Any], table: Path) -> None:
    """Write how all ways differ from training from the pre-trained weights, and from encoders without tickets.

    Args:
        results: the results folder.
        grid: see :func:`adaptation_trained`, and ``scored``, the part that is reported.
        table: CSV file to write (:func:`~supertickets.evaluation.ways.compare_ways`).
    """
    trained = adaptation_trained(grid)
    baselines = [way for way in trained[0].runs if way == PRETRAINED or way.rpartition(":")[2] == NO_TICKETS]
    write_csv(table, compare_ways(results, trained, baselines, average=False, scored=grid["scored"]))
