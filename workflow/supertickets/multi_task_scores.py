"""Score trainings on several tasks, and compare those with tickets with those without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .errors import UserError
from .files import replacing
from .inference import Sampled, difference, sample
from .layout import multi_task_folder
from .metrics import Score
from .outcomes import Outcomes, read_record, reported_split, stacked
from .tables import write_csv

#: The mode that the others are compared with: no tickets.
BASELINE = "full"


def score_multi_task(
    results: Path, model: str, modes: list[str], seeds: list[int], metrics: dict[str, list[str]], scores: Path
) -> None:
    """Score what the trainings of one model predicted.

    Args:
        results: the results folder.
        model: its name.
        modes: what tickets the tasks had.
        seeds: of the trainings.
        metrics: of each task.
        scores: Parquet file to write: model, mode, seed, task, heads_pruned, ffn_pruned, weight_remaining, split,
            metric, value (0 to 100), examples.

    Raises:
        UserError: a score is not finite, or a record is of another training.
    """
    modules = {name: Score(name) for names in metrics.values() for name in names}
    rows = []
    for mode in modes:
        runs = [{"model": model, "mode": mode, "seed": seed} for seed in seeds]
        records = [read_record(results, run, multi_task_folder) for run in runs]
        for task, names in metrics.items():
            for split, found in read_task(results, runs, task).items():
                for run, record, predicted in zip(runs, records, found.predicted, strict=True):
                    cut = {
                        name: record["tasks"][task][name] for name in ("heads_pruned", "ffn_pruned", "weight_remaining")
                    }
                    for name in names:
                        value = modules[name].compute(predictions=predicted, references=found.labels)[name]
                        if not np.isfinite(value):
                            raise UserError(
                                f"{results / multi_task_folder(run)}: {name} of {task} on {split} is {value}, as of "
                                "constant predictions; evaluate on more examples, or train with other settings"
                            )
                        row = {**run, "task": task, **cut, "split": split, "metric": name, "value": value}
                        rows.append(row | {"examples": len(found.labels)})
    with replacing(scores) as part:
        pd.DataFrame(rows).to_parquet(part, index=False)


def read_task(results: Path, runs: list[dict[str, Any]], task: str) -> dict[str, Outcomes]:
    """What trainings predicted of one task, by split, one run for each."""
    paths = (results / multi_task_folder(run) / "predictions.parquet" for run in runs)
    return stacked((path, pd.read_parquet(path, filters=[("task", "==", task)])) for path in paths)


def compare_multi_task(
    results: Path, model: str, modes: list[str], seeds: list[int], metrics: dict[str, list[str]], table: Path
) -> None:
    """Write how trainings with tickets differ from those without, for every task and split.

    Args:
        results: the results folder.
        model: its name.
        modes: what tickets the tasks had; :data:`BASELINE` among them.
        seeds: of the trainings.
        metrics: of each task; the first is compared.
        table: CSV file to write: model, mode, task, split, reported (whether the split is), metric, seeds, examples,
            and the columns of :func:`~supertickets.inference.difference`; and for several tasks their average.
    """
    runs = {mode: [{"model": model, "mode": mode, "seed": seed} for seed in seeds] for mode in modes}
    rows, reported = [], []
    for place, (task, (metric, *_)) in enumerate(metrics.items()):
        outcomes = {mode: read_task(results, members, task) for mode, members in runs.items()}
        for split in outcomes[BASELINE]:
            # Examples of different tasks are drawn apart; a training's seed is the same for all of them.
            scores = {
                mode: sample(metric, found[split].labels, found[split].predicted, stream=place)
                for mode, found in outcomes.items()
            }
            where = {"model": model, "task": task, "split": split, "metric": metric, "seeds": len(seeds)}
            where["reported"] = split == reported_split(outcomes[BASELINE])
            rows += _compared(where, scores)
            if where["reported"]:
                reported.append(scores)
    if len(metrics) > 1:
        average = {mode: _average([scores[mode] for scores in reported]) for mode in modes}
        rows += _compared({"model": model, "task": "average", "seeds": len(seeds), "reported": True}, average)
    write_csv(table, pd.DataFrame(rows))


def _compared(where: dict[str, Any], scores: dict[str, Sampled]) -> list[dict[str, Any]]:
    """A row for each mode but the baseline."""
    return [
        {**where, "mode": mode, "examples": sampled.examples} | difference(scores[BASELINE], sampled)
        for mode, sampled in scores.items()
        if mode != BASELINE
    ]


def _average(tasks: list[Sampled]) -> Sampled:
    """Average scores over tasks that were trained together, seed by seed."""
    scores, resampled = (np.mean([getattr(task, name) for task in tasks], axis=0) for name in ("scores", "resampled"))
    return Sampled(scores, resampled, sum(task.examples for task in tasks))
