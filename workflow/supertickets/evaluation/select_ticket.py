"""Choose the super ticket of a model, task and size, and estimate its gain without the bias of the choice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from supertickets.errors import DamagedError, UserError
from supertickets.evaluation.compare import mean_cut, outcomes_by_ratio, runs_by_ratio, sampled
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.predictions import Outcomes, predictions_file
from supertickets.evaluation.results import reported_split, write_csv
from supertickets.evaluation.significance import LEVEL, RESAMPLES, Sampled, difference, merged
from supertickets.seeds import generator

#: Columns that identify a row of the table of selections.
EXPERIMENT = ["model", "task", "train_size"]
#: The ways to report a chosen ticket: on validation, where it was chosen, as published, which flatters it; on
#: validation, each half with the ticket that the other half chose; on test.
WAYS = ("same_split", "cross_fitted", "held_out")


def choose(metric: str, outcomes: Mapping[float, Outcomes], rows: np.ndarray) -> float:
    """Choose the ratio above 0 with the best mean score over runs on some examples; the smallest of equal ratios."""
    means = {
        # Rounded, so that the order of summation cannot break a tie.
        ratio: np.round(
            np.mean([metric_of(metric).plain(run[rows], tickets.labels[rows]) for run in tickets.predicted]), 9
        )
        for ratio, tickets in sorted(outcomes.items())
        if ratio > 0
    }
    return max(means, key=lambda ratio: (np.nan_to_num(means[ratio], nan=-np.inf), -ratio))


def halves(metric: str, outcomes: Mapping[float, Outcomes]) -> list[tuple[np.ndarray, float]]:
    """Split the examples into two random halves, each with the ratio that is best on the other half."""
    order = generator(0, "halves of validation").permutation(len(outcomes[0.0].labels))
    first, second = np.array_split(order, 2)
    return [(first, choose(metric, outcomes, second)), (second, choose(metric, outcomes, first))]


def cross_fitted(
    metric: str, outcomes: Mapping[float, Outcomes], parts: list[tuple[np.ndarray, float]], seeds: int
) -> tuple[Sampled, Sampled]:
    """Score full models and chosen tickets on examples that had no part in the choice.

    Each half is scored by itself, for the full models too, and the scores are averaged: the outputs of tickets of two
    ratios have no common scale, so no correlation can be computed over both halves.

    Args:
        metric: the metric that chooses the ticket.
        outcomes: outcomes by ratio, with the full models at 0.
        parts: the halves from :func:`halves`.
        seeds: number of seeds.

    Returns:
        Scores of the full models and of the chosen tickets.
    """
    sampled_parts = [
        [sampled(metric, outcomes[model_ratio].of(rows), seeds, stream) for model_ratio in (0.0, ratio)]
        for stream, (rows, ratio) in enumerate(parts)
    ]
    full, ticket = zip(*sampled_parts, strict=True)
    return merged(list(full)), merged(list(ticket))


def peak(scores: Mapping[float, np.ndarray]) -> dict[str, float]:
    """Find the ratio with the highest mean score, the full model (0) included, and its interval over seeds.

    Args:
        scores: scores of the seeds by ratio, each of shape (seeds,).

    Returns:
        ``peak_ratio``, and ``peak_low`` and ``peak_high`` by percentile bootstrap over seeds, with the same resamples
        for all ratios; the latter two are not-a-number if there is only one seed.
    """
    ratios = np.array(sorted(scores))
    by_seed = [scores[ratio] for ratio in ratios]

    def highest(*resampled: np.ndarray, axis: int = -1) -> np.ndarray:
        return ratios[np.argmax(np.round([values.mean(axis=axis) for values in resampled], 9), axis=0)]

    low = high = float("nan")
    if len(by_seed[0]) > 1:
        low, high = stats.bootstrap(
            by_seed, highest, paired=True, vectorized=True, confidence_level=LEVEL, n_resamples=RESAMPLES,
            method="percentile", rng=generator(0, "resamples of seeds"),
        ).confidence_interval  # fmt: skip
    return {"peak_ratio": float(highest(*by_seed)), "peak_low": float(low), "peak_high": float(high)}


def select_ticket(results: Path, grid: dict[str, Any], group: dict[str, Any], metric: str, table: Path) -> None:
    """Choose the winning ticket with the best mean validation score over seeds and write its gain, in three ways.

    Args:
        results: the results folder.
        grid: the axes of the runs (:func:`~supertickets.experiment.grid.grid_of`).
        group: model, task, train_size and the kind ``winning``.
        metric: the task's first metric, which chooses the ticket.
        table: CSV file to write, with one row: model, task, train_size, metric, split (the reported one), seeds,
            ratio, heads_pruned, ffn_pruned, weight_remaining, first_half_ratio and second_half_ratio (the ratios that
            the halves are reported with), the columns of :func:`peak`, and the columns of
            :func:`~supertickets.evaluation.significance.difference` for each of :data:`WAYS`, for example
            ``difference_held_out``; without a test split those of ``held_out`` are omitted.

    Raises:
        UserError: predictions are damaged, or have too few validation examples to choose a ticket.
    """
    runs = runs_by_ratio(grid, group)
    seeds = len(grid["seeds"])
    by_split = outcomes_by_ratio(results, runs)
    path = predictions_file(results, runs[0.0][0])
    if "validation" not in by_split:
        raise DamagedError(path, "no validation examples, on which a ticket is chosen")
    validation = by_split["validation"]
    count, outputs = validation[0.0].logits.shape[1:]
    if count < (least := 4 if outputs == 1 else 2):
        problem = f"validation has {count} examples; a ticket is chosen on each half: give {least} at least"
        raise UserError(f"{path}: {problem}, or delete it to have it made again")
    ratio = choose(metric, validation, np.arange(len(validation[0.0].labels)))
    parts = halves(metric, validation)
    split = reported_split(by_split)

    def full_and_ticket(split: str) -> tuple[Sampled, Sampled]:
        outcomes = by_split[split]
        return sampled(metric, outcomes[0.0], seeds), sampled(metric, outcomes[ratio], seeds)

    pairs = {
        "same_split": full_and_ticket("validation"),
        "cross_fitted": cross_fitted(metric, validation, parts, seeds),
    }
    if "test" in by_split:
        pairs["held_out"] = full_and_ticket("test")
    row = {key: group[key] for key in EXPERIMENT} | {"metric": metric, "split": split, "seeds": seeds, "ratio": ratio}
    row |= mean_cut(results, runs[ratio]) | {"first_half_ratio": parts[0][1], "second_half_ratio": parts[1][1]}
    row |= peak({ratio: sampled(metric, outcomes, seeds).scores for ratio, outcomes in by_split[split].items()})
    for way in WAYS:
        if way in pairs:
            values = difference(*pairs[way])
            row |= {f"{name}_{way}": value for name, value in values.items()}
    write_csv(table, pd.DataFrame([row]))


def honest_way(split: str) -> str:
    """Return the way that reports a chosen ticket without flattering it: on test, or cross-fitted if there is no test.

    Args:
        split: the reported split.
    """
    return "held_out" if split == "test" else "cross_fitted"


def honest(chosen: pd.DataFrame, name: str) -> pd.Series:
    """Return a quantity of chosen tickets, such as ``difference``, as reported by the honest way of each ticket."""
    ways = chosen["split"].map(honest_way)
    values = [chosen.at[row, f"{name}_{way}"] for row, way in ways.items()]
    return pd.Series(values, index=chosen.index, dtype=float)
