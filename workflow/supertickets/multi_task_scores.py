"""Score trainings on several tasks, and compare them with those without tickets and with one encoder for each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .files import replacing
from .grid import BASELINE, multi_task_ways
from .stage_tables import chosen_ratio
from .tables import write_csv
from .ways import Ways, compare_ways, score_ways


def ways_of(results: Path, grid: dict[str, Any]) -> list[Ways]:
    """How each task was trained (:func:`~supertickets.grid.multi_task_ways`).

    Args:
        results: the results folder, with selections of the tasks that no ratio is given for.
        grid: what spans the trainings, and ``metrics`` and, where the config gives them, ``ratios`` by task.
    """
    trained = []
    for task, metrics in grid["metrics"].items():
        ratio = grid["ratios"].get(task)
        if ratio is None:
            ratio = chosen_ratio(results, {**grid, "task": task})
        where, runs = multi_task_ways(grid, task, ratio)
        trained.append(Ways(where, metrics, runs))
    return trained


def score_multi_task(results: Path, grid: dict[str, Any], scores: Path) -> None:
    """Score the trainings of one model.

    Args:
        results: the results folder.
        grid: see :func:`ways_of`.
        scores: Parquet file to write (:func:`~supertickets.ways.score_ways`).
    """
    table = score_ways(results, ways_of(results, grid))
    with replacing(scores) as part:
        table.to_parquet(part, index=False)


def compare_multi_task(results: Path, grid: dict[str, Any], table: Path) -> None:
    """Write how all ways differ from training on all tasks without tickets.

    Args:
        results: the results folder.
        grid: see :func:`ways_of`; ``full`` is among its modes.
        table: CSV file to write (:func:`~supertickets.ways.compare_ways`), with the average over tasks.
    """
    write_csv(table, compare_ways(results, ways_of(results, grid), [BASELINE], average=True))
