"""Collect the runs of an experiment into one tidy table of scores."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .errors import UserError
from .files import read_json, replacing
from .grid import runs_of
from .layout import run_folder
from .metrics import Score, predicted

log = logging.getLogger(__name__)


def collect_scores(results: Path, grid: dict[str, Any], metrics: dict[str, Any], parquet: Path, csv: Path) -> None:
    """Score every run's predictions and write one row for each run, split and metric.

    Args:
        results: the results folder.
        grid: models, tasks, train_sizes, seeds, kinds, random_draws and ratios of the experiment.
        metrics: names of metrics by task.
        parquet, csv: tables to write, the same content: model, task, train_size, seed, kind, ratio,
            draw, heads_pruned, ffn_pruned, weight_remaining, split, metric, value (0 to 100), examples (number scored).
    """
    runs = list(runs_of(grid))
    log.info("scoring %d runs", len(runs))
    modules = {name: Score(name) for names in metrics.values() for name in names}
    rows = [row for run in runs for row in _rows(results, run, {name: modules[name] for name in metrics[run["task"]]})]
    table = pd.DataFrame(rows)
    table["train_size"] = table["train_size"].astype(str)  # a number, a share or "all"
    with replacing(parquet) as part:
        table.to_parquet(part, index=False)
    with replacing(csv) as part:
        table.to_csv(part, index=False, lineterminator="\n")


def _rows(results: Path, run: dict[str, Any], modules: dict[str, Score]) -> Iterator[dict[str, Any]]:
    folder = results / run_folder(run)
    record = read_json(folder / "record.json")
    if record["run"] != run:
        raise UserError(f"{folder / 'record.json'}: is of run {record['run']}, expected {run}; delete the folder")
    predictions = pd.read_parquet(folder / "predictions.parquet")
    for split, members in predictions.groupby("split", sort=True):
        outputs = predicted(np.stack(members["logits"].tolist()))
        for name, module in modules.items():
            score = module.compute(predictions=outputs, references=members["label"].to_numpy())
            if not math.isfinite(score[name]):
                raise UserError(
                    f"{folder / 'predictions.parquet'}: {name} on {split} is {score[name]}, as of constant predictions "
                    "or labels; evaluate on more examples, or train with other settings"
                )
            yield {
                **run,
                **{key: record[key] for key in ("heads_pruned", "ffn_pruned", "weight_remaining")},
                "split": split,
                "metric": name,
                "value": score[name],
                "examples": len(members),
            }
