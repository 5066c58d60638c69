"""Choose the super ticket of a model, task and size, and say honestly what it gains."""

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

#: What a row of the table is of.
EXPERIMENT = ["model", "task", "train_size"]
#: The ways to report a chosen ticket: on the split that it was chosen on, as published, which flatters it; on
#: validation, each half with the ticket that the other half chose; on test.
WAYS = ("same_split", "cross_fitted", "held_out")


def choose(metric: str, outcomes: Mapping[float, Outcomes], rows: np.ndarray) -> float:
    """The ratio, 0 aside, whose tickets have the best mean score over runs on some examples; the smaller of equals."""
    means = {
        # Rounded: sums in another order are not to break a tie.
        ratio: np.round(
            np.mean([metric_of(metric).plain(run[rows], tickets.labels[rows]) for run in tickets.predicted]), 9
        )
        for ratio, tickets in sorted(outcomes.items())
        if ratio > 0
    }
    return max(means, key=lambda ratio: (np.nan_to_num(means[ratio], nan=-np.inf), -ratio))


def halves(metric: str, outcomes: Mapping[float, Outcomes]) -> list[tuple[np.ndarray, float]]:
    """Two random halves of the examples, each with the ratio that is best on the other one."""
    order = generator(0, "halves of validation").permutation(len(outcomes[0.0].labels))
    first, second = np.array_split(order, 2)
    return [(first, choose(metric, outcomes, second)), (second, choose(metric, outcomes, first))]


def cross_fitted(
    metric: str, outcomes: Mapping[float, Outcomes], parts: list[tuple[np.ndarray, float]], seeds: int
) -> tuple[Sampled, Sampled]:
    """Full models and chosen tickets on examples that took no part in the choice.

    Each half is scored by itself, for the full models too, and the scores are averaged: outputs of two ratios have no
    common scale that a correlation could be computed on.

    Args:
        metric: the metric that decides.
        outcomes: of each ratio, the full models' at 0.
        parts: from :func:`halves`.
        seeds: number of seeds.
    """
    sampled_parts = [
        [sampled(metric, outcomes[which].of(rows), seeds, stream) for which in (0.0, ratio)]
        for stream, (rows, ratio) in enumerate(parts)
    ]
    full, ticket = zip(*sampled_parts, strict=True)
    return merged(list(full)), merged(list(ticket))


def peak(scores: Mapping[float, np.ndarray]) -> dict[str, float]:
    """The ratio at which the mean curve is highest, the full model (0) included, and its interval over seeds.

    Args:
        scores: score of each seed, by ratio.

    Returns:
        ``peak_ratio``, ``peak_low`` and ``peak_high``: percentile bootstrap over seeds, all ratios resampled alike;
        not-a-number where there is one seed.
    """
    ratios = np.array(sorted(scores))
    by_seed = [scores[ratio] for ratio in ratios]

    def highest(*resampled: np.ndarray, axis: int = -1) -> np.ndarray:
        return ratios[np.argmax(np.round([one.mean(axis=axis) for one in resampled], 9), axis=0)]

    low = high = float("nan")
    if len(by_seed[0]) > 1:
        low, high = stats.bootstrap(
            by_seed, highest, paired=True, vectorized=True, confidence_level=LEVEL, n_resamples=RESAMPLES,
            method="percentile", rng=generator(0, "resamples of seeds"),
        ).confidence_interval  # fmt: skip
    return {"peak_ratio": float(highest(*by_seed)), "peak_low": float(low), "peak_high": float(high)}


def select_ticket(results: Path, grid: dict[str, Any], group: dict[str, Any], metric: str, table: Path) -> None:
    """Choose the winning ticket with the best mean validation score over seeds and write what it gains, three ways.

    Args:
        results: the results folder.
        grid: what spans the runs (:func:`~supertickets.experiment.grid.grid_of`).
        group: model, task, train_size and the kind ``winning``.
        metric: the task's first metric, which decides.
        table: CSV file to write, one row: model, task, train_size, metric, split (the reported one), seeds, ratio,
            heads_pruned, ffn_pruned, weight_remaining, first_half_ratio and second_half_ratio (what each half is
            reported with), the columns of :func:`peak`, and those of
            :func:`~supertickets.evaluation.significance.difference` for each of :data:`WAYS`, as in
            ``difference_held_out``, left out where a way is not to be had.

    Raises:
        UserError: predictions are damaged, or too few of validation to choose on.
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
        what = f"validation has {count} examples; a ticket is chosen on each half: give {least} at least"
        raise UserError(f"{path}: {what}, or delete it to have it made again")
    ratio = choose(metric, validation, np.arange(len(validation[0.0].labels)))
    parts = halves(metric, validation)
    split = reported_split(by_split)

    def scored(split: str) -> tuple[Sampled, Sampled]:
        return sampled(metric, by_split[split][0.0], seeds), sampled(metric, by_split[split][ratio], seeds)

    pairs = {"same_split": scored("validation"), "cross_fitted": cross_fitted(metric, validation, parts, seeds)}
    if "test" in by_split:
        pairs["held_out"] = scored("test")
    row = {key: group[key] for key in EXPERIMENT} | {"metric": metric, "split": split, "seeds": seeds, "ratio": ratio}
    row |= mean_cut(results, runs[ratio]) | {"first_half_ratio": parts[0][1], "second_half_ratio": parts[1][1]}
    row |= peak({ratio: sampled(metric, outcomes, seeds).scores for ratio, outcomes in by_split[split].items()})
    for way in WAYS:
        if way in pairs:
            values = difference(*pairs[way])
            row |= {f"{name}_{way}": value for name, value in values.items()}
    write_csv(table, pd.DataFrame([row]))


def honest_way(split: str) -> str:
    """How a chosen ticket is reported without the flattery of its choice: on test, or where there is none in halves."""
    return "held_out" if split == "test" else "cross_fitted"


def honest(chosen: pd.DataFrame, name: str) -> pd.Series:
    """A quantity of chosen tickets, such as ``difference``, by the honest way of each."""
    ways = chosen["split"].map(honest_way)
    values = [chosen.at[row, f"{name}_{way}"] for row, way in ways.items()]
    return pd.Series(values, index=chosen.index, dtype=float)
