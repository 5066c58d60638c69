"""Score trainings on several tasks, and compare them with those without tickets and with one encoder for each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from .files import replacing
from .layout import group_file
from .tables import write_csv
from .ways import Ways, compare_ways, score_ways

#: The way that the others are compared with: one encoder for all tasks, no tickets.
BASELINE = "full"


def then_single(mode: str) -> str:
    """What training each task alone is called, after training on all of them."""
    return f"{mode}_then_single"


def multi_task_ways(results: Path, grid: dict[str, Any]) -> list[Ways]:
    """How each task was trained: alone (``single_full``, ``single_super``), with all others by mode, and then alone.

    Args:
        results: the results folder, with selections.
        grid: what spans the trainings: ``model``, ``train_size``, ``seeds``, ``modes``, the modes of ``then_single``,
            and ``metrics`` by task.
    """
    trained = []
    for task, metrics in grid["metrics"].items():
        trial = {"model": grid["model"], "task": task, "train_size": grid["train_size"]}
        chosen = results / "selections" / f"{group_file(trial | {'kind': 'winning'})}.csv"
        ratio = float(pd.read_csv(chosen)["ratio"].item())
        full = {"kind": "full", "ratio": 0.0, "draw": 1}
        named = {"single_full": trial | full, "single_super": trial | full}
        if ratio > 0:
            named["single_super"] = trial | {"kind": "winning", "ratio": ratio, "draw": 1}
        named |= {mode: {"model": grid["model"], "mode": mode} for mode in grid["modes"]}
        named |= {then_single(mode): {**trial, "mode": mode, "held": "own"} for mode in grid["then_single"]}
        runs = {way: [{**run, "seed": seed} for seed in grid["seeds"]] for way, run in named.items()}
        trained.append(Ways(trial, metrics, runs))
    return trained


def score_multi_task(results: Path, grid: dict[str, Any], scores: Path) -> None:
    """Score the trainings of one model.

    Args:
        results: the results folder.
        grid: see :func:`multi_task_ways`.
        scores: Parquet file to write (:func:`~supertickets.ways.score_ways`).
    """
    table = score_ways(results, multi_task_ways(results, grid))
    with replacing(scores) as part:
        table.to_parquet(part, index=False)


def compare_multi_task(results: Path, grid: dict[str, Any], table: Path) -> None:
    """Write how all ways differ from training on all tasks without tickets.

    Args:
        results: the results folder.
        grid: see :func:`multi_task_ways`; ``full`` is among its modes.
        table: CSV file to write (:func:`~supertickets.ways.compare_ways`), with the average over tasks.
    """
    write_csv(table, compare_ways(results, multi_task_ways(results, grid), [BASELINE], average=True))
