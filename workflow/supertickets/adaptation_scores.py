"""Score trainings on new tasks, and compare those that go on from encoders of several tasks with those that do not."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

from .files import replacing
from .tables import write_csv
from .ways import Ways, compare_ways, score_ways

#: Single-task training from the pre-trained weights, which the others are compared with.
PRETRAINED = "pretrained"
#: From an encoder of several tasks without tickets, which those with tickets are compared with too.
NO_TICKETS = "full-full"


def adaptation_ways(grid: dict[str, Any]) -> list[Ways]:
    """How each new task was trained at each size: from the pre-trained weights, and from encoders of several tasks.

    Args:
        grid: what spans the trainings: ``model``, ``train_sizes``, ``seeds``, ``metrics`` by task, and ``starts``,
            pairs of the mode of an encoder of several tasks and the ticket that is held.
    """
    trained = []
    for (task, metrics), size in product(grid["metrics"].items(), grid["train_sizes"]):
        trial = {"model": grid["model"], "task": task, "train_size": size}
        named = {PRETRAINED: {**trial, "kind": "full", "ratio": 0.0, "draw": 1}}
        named |= {f"{mode}-{held}": {**trial, "mode": mode, "held": held} for mode, held in grid["starts"]}
        runs = {way: [{**run, "seed": seed} for seed in grid["seeds"]] for way, run in named.items()}
        trained.append(Ways(trial, metrics, runs))
    return trained


def score_adaptation(results: Path, grid: dict[str, Any], scores: Path) -> None:
    """Score the trainings of one model on new tasks.

    Args:
        results: the results folder.
        grid: see :func:`adaptation_ways`.
        scores: Parquet file to write (:func:`~supertickets.ways.score_ways`).
    """
    table = score_ways(results, adaptation_ways(grid))
    with replacing(scores) as part:
        table.to_parquet(part, index=False)


def compare_adaptation(results: Path, grid: dict[str, Any], table: Path) -> None:
    """Write how all ways differ from training from the pre-trained weights, and from an encoder without tickets.

    Args:
        results: the results folder.
        grid: see :func:`adaptation_ways`.
        table: CSV file to write (:func:`~supertickets.ways.compare_ways`).
    """
    trained = adaptation_ways(grid)
    baselines = [way for way in (PRETRAINED, NO_TICKETS) if way in trained[0].runs]
    write_csv(table, compare_ways(results, trained, baselines, average=False))
