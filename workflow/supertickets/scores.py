"""Score the runs of an experiment: tidy tables, one row for each run, split and metric."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import UserError
from .files import replacing
from .formulas import predicted
from .grid import group_runs
from .layout import folder_of
from .metrics import Score
from .outcomes import read_outcomes, read_record

log = logging.getLogger(__name__)


def score_group(results: Path, grid: dict[str, Any], group: dict[str, Any], metrics: str, scores: Path) -> None:
    """Score the predictions of a group of runs.

    Args:
        results: the results folder.
        grid: what spans the runs (:func:`~supertickets.grid.grid_of`).
        group: model, task, train_size and kind.
        metrics: names of the task's metrics, separated by commas.
        scores: Parquet file to write: model, task, train_size, seed, kind, ratio, draw, heads_pruned, ffn_pruned,
            weight_remaining, split, metric, value (0 to 100), examples (number scored).
    """
    runs = list(group_runs(grid, group))
    log.info("scoring %d runs", len(runs))
    modules = {name: Score(name) for name in metrics.split(",")}
    table = pd.DataFrame([row for run in runs for row in score_run(results, run, modules)])
    table["train_size"] = table["train_size"].astype(str)  # a number, a share or "all"
    with replacing(scores) as part:
        table.to_parquet(part, index=False)


def score_run(
    results: Path, run: dict[str, Any], modules: dict[str, Score], task: str = ""
) -> Iterator[dict[str, Any]]:
    """A row for each split and metric: the run, what its ticket cuts, split, metric, value and examples.

    Args:
        results: the results folder.
        run: the run.
        modules: metrics by name.
        task: which one, of a run on several tasks.

    Raises:
        UserError: a score is not finite, or a file is damaged; names the file.
    """
    record = read_record(results, run)
    try:
        told = record["tasks"][task] if "tasks" in record else record
        cut = {key: told[key] for key in ("heads_pruned", "ffn_pruned", "weight_remaining")}
        usable = all(math.isfinite(value) for value in cut.values())
    except (LookupError, TypeError):
        usable = False
    if not usable:
        path = results / folder_of(run) / "record.json"
        raise UserError(f"{path}: does not say what its ticket keeps; delete the folder to have it made again")
    for split, outcomes in read_outcomes(results, [run], task).items():
        for name, module in modules.items():
            score = module.compute(predictions=predicted(outcomes.logits[0]), references=outcomes.labels)
            if not math.isfinite(score[name]):
                raise UserError(
                    f"{results / folder_of(run) / 'predictions.parquet'}: {name} on {split} is {score[name]}, as of "
                    "constant predictions or labels; evaluate on more examples, or train with other settings"
                )
            yield {
                **run,
                **cut,
                "split": split,
                "metric": name,
                "value": score[name],
                "examples": len(outcomes.labels),
            }
