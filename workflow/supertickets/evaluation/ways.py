"""Scores of the ways in which a task was trained, and the differences between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.evaluation.columns import CUT
from supertickets.evaluation.compare import constant_answer, outcomes_by_ratio
from supertickets.evaluation.evaluate_module import Score
from supertickets.evaluation.resampling import Sampled, sample
from supertickets.evaluation.results import reported_split
from supertickets.evaluation.score import score_runs
from supertickets.evaluation.significance import difference

#: Columns of a table of scores.
SCORES = ("model", "task", "train_size", "way", "seed", *CUT, "split", "metric", "value", "examples")


@dataclass(frozen=True)
class Ways:
    """The trainings of one model on one task and size.

    Attributes:
        where: model, task and train_size.
        metrics: the task's metrics; the first is compared.
        runs: by way, one run for each seed, in the same order of seeds; single-task or multi-task runs.
        separator: the task's, as of :func:`~supertickets.evaluation.predictions.documents_of`.
    """

    where: dict[str, Any]
    metrics: list[str]
    runs: Mapping[str, list[dict[str, Any]]]
    separator: str = ""

    @property
    def named(self) -> dict[str, str]:
        """``where`` as it is written to tables, with the size as text: pandas would turn 20 beside 0.5 into 20.0."""
        return {**self.where, "train_size": str(self.where["train_size"])}


def score_ways(results: Path, trained: Iterable[Ways]) -> pd.DataFrame:
    """Score all runs: a row for each run, split and metric, with the columns :data:`SCORES`.

    Raises:
        UserError: a record is of another run.
    """
    rows = []
    for task in trained:
        modules = {name: Score(name) for name in task.metrics}
        for way, runs in task.runs.items():
            scores = score_runs(results, runs, modules, task.where["task"])
            rows += [{**row, **task.named, "way": way} for row in scores]
    return pd.DataFrame(rows)[list(SCORES)]


def compare_ways(
    results: Path, trained: Sequence[Ways], baselines: Sequence[str], average: bool, scored: str = "test"
) -> pd.DataFrame:
    """Compare all ways with the baselines, for every task and split.

    Args:
        results: the results folder.
        trained: tasks with their ways; all tasks have the same ways.
        baselines: the ways that all other ways are compared with.
        average: add the average over tasks on the reported splits. Scores are averaged seed by seed, since a seed's
            tasks were trained together.
        scored: the split that is reported (:func:`~supertickets.evaluation.results.reported_split`).

    Returns:
        Table with model, task, train_size, way, baseline, split, reported (whether this is the reported split),
        metric, chance (:func:`~supertickets.evaluation.compare.constant_answer`), seeds, examples, documents (of tasks
        that have them, and of the average), and the columns of
        :func:`~supertickets.evaluation.significance.difference`.

    Raises:
        UserError: two ways of a task have predictions for different examples.
    """
    rows, reported_scores, chances = [], [], []
    for place, task in enumerate(trained):
        by_split = outcomes_by_ratio(results, task.runs, task.separator, task.where["task"])
        for split, outcomes in by_split.items():
            # The examples of different tasks have independent resamples.
            scores = {
                way: sample(task.metrics[0], runs.labels, runs.predicted, place, runs.documents)
                for way, runs in outcomes.items()
            }
            where: dict[str, Any] = {**task.named, "split": split, "metric": task.metrics[0]}
            where["reported"] = split == reported_split(by_split, scored)
            where["chance"] = constant_answer(task.metrics[0], outcomes[baselines[0]], 1).scores.item()
            rows += _compared(where, scores, baselines, bool(task.separator))
            if where["reported"]:
                reported_scores.append(scores)
                chances.append(where["chance"])
    if average and len(trained) > 1:
        means = {way: _average([scores[way] for scores in reported_scores]) for way in trained[0].runs}
        where = {**trained[0].named, "task": "average", "reported": True, "chance": np.mean(chances)}
        rows += _compared(where, means, baselines, any(task.separator for task in trained))
    return pd.DataFrame(rows)


def _compared(
    where: dict[str, Any], scores: Mapping[str, Sampled], baselines: Sequence[str], documents: bool
) -> list[dict[str, Any]]:
    """Compute a row for each pair of a baseline and another way, with the number of documents where there are any."""
    return [
        {**where, "way": way, "baseline": baseline, "seeds": len(sampled.scores), "examples": sampled.examples}
        | ({"documents": sampled.documents} if documents else {})
        | difference(scores[baseline], sampled)
        for baseline in baselines
        for way, sampled in scores.items()
        if way != baseline
    ]


def _average(tasks: list[Sampled]) -> Sampled:
    """Average scores over tasks, seed by seed.

    Where a task has documents, the average has as many as the task with the fewest: the tasks' errors are added, and
    the sum has at least the degrees of freedom of any.
    """
    scores, resampled = (np.mean([getattr(task, name) for task in tasks], axis=0) for name in ("scores", "resampled"))
    examples = sum(task.examples for task in tasks)
    whole = all(task.documents == task.examples for task in tasks)
    documents = examples if whole else min(task.documents for task in tasks)
    return Sampled(scores, resampled, examples, documents, min(task.lowest for task in tasks))
