"""Compare the tickets of a group of runs with the full models of the same seeds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from supertickets.evaluation.columns import CUT
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.predictions import Outcomes, read_outcomes, read_record
from supertickets.evaluation.resampling import RESAMPLES, Sampled, sample
from supertickets.evaluation.results import reported_split, write_csv
from supertickets.evaluation.significance import difference, p_above
from supertickets.experiment.grid import group_runs, separator_of

Run = dict[str, Any]
Key = TypeVar("Key", bound=Hashable)


def runs_by_ratio(grid: Mapping[str, Any], group: Mapping[str, Any]) -> dict[float, list[Run]]:
    """List the runs of a group and its full models (ratio 0) by ratio, ordered by seed, then by draw."""
    full = [run for run in group_runs(grid, {**group, "kind": "winning"}) if run["kind"] == "full"]
    tickets = [run for run in group_runs(grid, group) if run["kind"] != "full"]
    ratios = sorted({run["ratio"] for run in tickets})
    return {0.0: full} | {ratio: [run for run in tickets if run["ratio"] == ratio] for ratio in ratios}


def outcomes_by_ratio(
    results: Path, runs: Mapping[Key, list[Run]], separator: str, task: str = ""
) -> dict[str, dict[Key, Outcomes]]:
    """Read the outputs of the runs of each ratio, by split and ratio; all runs have the same examples.

    Args:
        results: the results folder.
        runs: as of :func:`runs_by_ratio`, or by something else than ratio.
        separator: the task's, as of :func:`~supertickets.evaluation.predictions.documents_of`.
        task: for multi-task runs, the task whose predictions are read.
    """
    all_runs = [run for runs_of_ratio in runs.values() for run in runs_of_ratio]
    by_split = read_outcomes(results, all_runs, task, separator)
    ends = np.cumsum([len(runs_of_ratio) for runs_of_ratio in runs.values()])[:-1]
    return {
        split: {
            key: Outcomes(outcomes.labels, logits, outcomes.documents)
            for key, logits in zip(runs, np.split(outcomes.logits, ends), strict=True)
        }
        for split, outcomes in by_split.items()
    }


def sampled(metric: str, outcomes: Outcomes, seeds: int, stream: int = 0) -> Sampled:
    """Score the runs of one ratio, averaged over the draws of a seed; ``stream`` as in :func:`sample`."""
    predicted = outcomes.predicted
    by_seed = predicted.reshape(seeds, -1, predicted.shape[-1])
    return sample(metric, outcomes.labels, by_seed, stream, outcomes.documents)


def constant_answer(metric: str, outcomes: Outcomes, seeds: int) -> Sampled:
    """Score the constant baseline, ``chance``: the best score of a model that gives all examples the same answer.

    A correlation of constant answers is undefined and counts as 0, as does the mean as the answer of a regression.

    Args:
        metric: the task's first metric.
        outcomes: of the full models.
        seeds: number of seeds, for each of which the same scores are returned.
    """
    labels = outcomes.labels
    classes = np.unique(labels) if outcomes.logits.shape[-1] > 1 else labels[:0]
    answers = [
        sample(metric, labels, np.full((1, len(labels)), answer), documents=outcomes.documents) for answer in classes
    ]
    zero = Sampled(
        np.zeros(1), np.zeros((1, RESAMPLES)), len(labels), outcomes.counts.get("documents", len(labels)),
        metric_of(metric).lowest,
    )  # fmt: skip
    best = max([zero, *answers], key=lambda answer: np.nan_to_num(answer.scores[0]))
    scores, resampled = (np.nan_to_num(np.repeat(values, seeds, axis=0)) for values in (best.scores, best.resampled))
    return replace(best, scores=scores, resampled=resampled)


def against_chance(metric: str, outcomes: Outcomes, full: Sampled) -> dict[str, float]:
    """Compare full models with :func:`constant_answer`.

    Args:
        metric: the task's first metric.
        outcomes: of the full models.
        full: their scores.

    Returns:
        ``chance``, its score, and ``p_chance``: one-sided, that the full models are not above it.
    """
    seeds = len(full.scores)
    constant = constant_answer(metric, outcomes, seeds)
    learned = difference(constant, full)
    errors = [(learned["error"], learned["freedom"])]
    if not outcomes.of_one_model:  # whose luck is that of the examples alone
        errors.append((learned["seeds_error"], seeds - 1))
    p = p_above(learned["difference"], 0.0, errors, full.documents)
    return {"chance": constant.scores.mean(), "p_chance": p}


def compare_group(results: Path, grid: dict[str, Any], group: dict[str, Any], metric: str, table: Path) -> None:
    """Write the differences between the tickets of a group and the full models, for every ratio and split.

    Args:
        results: the results folder.
        grid: the axes of the runs (:func:`~supertickets.experiment.grid.grid_of`), and ``separators`` of tasks whose
            examples are of documents (:func:`~supertickets.experiment.settings.separators_of`).
        group: model, task, train_size and kind.
        metric: the task's first metric.
        table: CSV file to write: the group, ratio, heads_pruned, ffn_pruned, weight_remaining, split, reported
            (whether this is the reported split), metric, seeds, examples, documents (of a task that has them), the
            columns of :func:`against_chance`, and those of
            :func:`~supertickets.evaluation.significance.difference`.
    """
    runs = runs_by_ratio(grid, group)
    seeds = len(grid["seeds"])
    rows = []
    by_split = outcomes_by_ratio(results, runs, separator_of(grid, group["task"]))
    for split, outcomes in by_split.items():
        full = sampled(metric, outcomes[0.0], seeds)
        chance = against_chance(metric, outcomes[0.0], full)
        for ratio, ticket in outcomes.items():
            if ratio > 0:
                row = {**group, "ratio": ratio, **mean_cut(results, runs[ratio])}
                row |= {"split": split, "reported": split == reported_split(by_split)}
                row |= {"metric": metric, "seeds": seeds, **ticket.counts}
                rows.append(row | chance | difference(full, sampled(metric, ticket, seeds)))
    write_csv(table, pd.DataFrame(rows))


def mean_cut(results: Path, runs: list[Run]) -> dict[str, float]:
    """Average the numbers of cut units and the weight remaining over the tickets of runs."""
    records = [read_record(results, run) for run in runs]
    return {name: float(np.mean([record[name] for record in records])) for name in CUT}
