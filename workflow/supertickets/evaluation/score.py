"""Score the runs of an experiment: tidy tables with one row for each run, split and metric."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.columns import CUT
from supertickets.evaluation.evaluate_module import Score
from supertickets.evaluation.metric import predicted
from supertickets.evaluation.predictions import predictions_file, read_outcomes, read_record
from supertickets.experiment.grid import group_runs
from supertickets.files import replacing

log = logging.getLogger(__name__)


def score_group(results: Path, grid: dict[str, Any], group: dict[str, Any], metrics: str, scores: Path) -> None:
    """Score the predictions of a group of runs.

    Args:
        results: the results folder.
        grid: the axes of the runs (:func:`~supertickets.experiment.grid.grid_of`).
        group: model, task, train_size and kind.
        metrics: names of the task's metrics, separated by commas.
        scores: Parquet file to write: model, task, train_size, seed, kind, ratio, draw, heads_pruned, ffn_pruned,
            weight_remaining, precision (of the training), split, metric, value (the score times 100, missing where it
            is undefined), examples (number of scored examples).
    """
    runs = list(group_runs(grid, group))
    log.info("scoring %d runs", len(runs))
    modules = {name: Score(name) for name in metrics.split(",")}
    table = pd.DataFrame(score_runs(results, runs, modules))
    table["train_size"] = table["train_size"].astype(str)  # a number, a share or "all"
    with replacing(scores) as part:
        table.to_parquet(part, index=False)


def score_runs(
    results: Path, runs: Iterable[dict[str, Any]], modules: dict[str, Score], task: str = ""
) -> list[dict[str, Any]]:
    """Score runs of one model, task and size: the rows of :func:`score_run` for all of them.

    Raises:
        UserError: as :func:`score_run`.
    """
    return [row for run in runs for row in score_run(results, run, modules, task)]


def score_run(
    results: Path, run: dict[str, Any], modules: dict[str, Score], task: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield a row for each split and metric: the run, what its ticket cuts, split, metric, value and examples.

    Args:
        results: the results folder.
        run: the run.
        modules: metrics by name.
        task: for a multi-task run, the task that is scored.

    Raises:
        UserError: a file is damaged; names the file.
    """
    record = read_record(results, run, task)
    for split, outcomes in read_outcomes(results, [run], task).items():
        for name, module in modules.items():
            score = module.compute(predictions=predicted(outcomes.logits[0]), references=outcomes.labels)
            if not math.isfinite(score[name]):
                path = predictions_file(results, run)
                log.warning("%s: %s on %s is undefined: predictions or labels are constant", path, name, split)
            yield {
                **run,
                **{key: record[key] for key in (*CUT, "precision")},
                "split": split,
                "metric": name,
                "value": score[name],
                "examples": len(outcomes.labels),
            }
