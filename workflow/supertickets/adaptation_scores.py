"""Score trainings on new tasks, and compare those that go on from encoders of several tasks with those that do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .files import replacing
from .grid import NO_TICKETS, PRETRAINED, adaptation_ways
from .tables import write_csv
from .ways import Ways, compare_ways, score_ways


def ways_of(grid: dict[str, Any]) -> list[Ways]:
    """How each new task was trained at each size (:func:`~supertickets.grid.adaptation_ways`)."""
    return [Ways(where, grid["metrics"][where["task"]], runs) for where, runs in adaptation_ways(grid)]


def score_adaptation(results: Path, grid: dict[str, Any], scores: Path) -> None:
    """Score the trainings of one model on new tasks.

    Args:
        results: the results folder.
        grid: see :func:`~supertickets.grid.adaptation_ways`.
        scores: Parquet file to write (:func:`~supertickets.ways.score_ways`).
    """
    table = score_ways(results, ways_of(grid))
    with replacing(scores) as part:
        table.to_parquet(part, index=False)


def compare_adaptation(results: Path, grid: dict[str, Any], table: Path) -> None:
    """Write how all ways differ from training from the pre-trained weights, and from an encoder without tickets.

    Args:
        results: the results folder.
        grid: see :func:`~supertickets.grid.adaptation_ways`.
        table: CSV file to write (:func:`~supertickets.ways.compare_ways`).
    """
    trained = ways_of(grid)
    baselines = [way for way in (PRETRAINED, NO_TICKETS) if way in trained[0].runs]
    write_csv(table, compare_ways(results, trained, baselines, average=False))
