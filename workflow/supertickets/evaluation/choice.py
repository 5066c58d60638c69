"""Choose a ratio by the scores of tickets on validation: for all seeds, for each by its own, or by the others'."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from supertickets.errors import DamagedError
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.predictions import Outcomes, predictions_file
from supertickets.evaluation.resampling import RESAMPLES
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import with_full
from supertickets.seeds import generator

#: The smallest ratio that a ticket can have.
LEAST = 0.01


def scores_of_tickets(
    metric: str, outcomes: Mapping[float, Outcomes], rows: np.ndarray, least: float = LEAST
) -> dict[float, np.ndarray]:
    """Score the winning tickets of each ratio from ``least`` on some examples, by ratio: shape (seeds,)."""
    return {
        ratio: np.array([metric_of(metric).plain(run[rows], tickets.labels[rows]) for run in tickets.predicted])
        for ratio, tickets in sorted(outcomes.items())
        if ratio >= least
    }


def choose(scores: Mapping[float, np.ndarray]) -> float:
    """Choose the ratio with the best mean score over seeds; the smallest of equal ratios.

    A ratio with an undefined score is not chosen; not-a-number if all have one.
    """
    # Rounded, so that the order of summation cannot break a tie.
    means = {ratio: np.round(values.mean(), 9) for ratio, values in scores.items() if np.isfinite(values).all()}
    return max(means, key=lambda ratio: (means[ratio], -ratio), default=float("nan"))


def choose_own(scores: Mapping[float, np.ndarray]) -> list[float]:
    """Choose a ratio for each seed, by its own score."""
    seeds = len(next(iter(scores.values())))
    return [choose({ratio: values[[seed]] for ratio, values in scores.items()}) for seed in range(seeds)]


def choose_by_others(scores: Mapping[float, np.ndarray]) -> list[float]:
    """Choose a ratio for each seed, by the scores of the other seeds; by its own if there is only one.

    A ratio at which a seed has an undefined score is chosen for none.
    """
    seeds = len(next(iter(scores.values())))
    scores = {ratio: values for ratio, values in scores.items() if np.isfinite(values).all()}
    if seeds == 1 or not scores:
        return [choose(scores)] * seeds
    return [choose({ratio: np.delete(values, seed) for ratio, values in scores.items()}) for seed in range(seeds)]


def halves(examples: int, documents: np.ndarray | None = None) -> list[np.ndarray]:
    """Split the rows of examples into two random halves: of documents, which stay whole, where there are any.

    Args:
        examples: number of them.
        documents: the document of each, shape (examples,); a single one has no halves and is one part.
    """
    random = generator(0, "halves of validation")
    if documents is None:
        return np.array_split(random.permutation(examples), 2)
    parts = np.array_split(random.permutation(np.unique(documents)), 2)
    return [np.flatnonzero(np.isin(documents, part)) for part in parts if len(part)]


def peak(scores: Mapping[float, np.ndarray]) -> dict[str, float]:
    """Find the ratio with the highest mean score, the full model (0) included, and its interval over seeds.

    Args:
        scores: scores of the seeds by ratio, each of shape (seeds,).

    Returns:
        ``peak_ratio``, and ``peak_low`` and ``peak_high`` by percentile bootstrap over seeds, with the same resamples
        for all ratios; the latter two are not-a-number if there is only one seed. A ratio with an undefined score is no
        peak; all are not-a-number if every ratio has one.
    """
    ratios = np.array([ratio for ratio in sorted(scores) if np.isfinite(scores[ratio]).all()])
    if not len(ratios):
        return dict.fromkeys(("peak_ratio", "peak_low", "peak_high"), float("nan"))
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


def least_of(grid: Mapping[str, Any]) -> float:
    """The smallest ratio that can be chosen: 0 where the full model can."""
    return 0.0 if with_full(grid) else LEAST


def require_validation(results: Path, run: Mapping[str, Any], by_split: Mapping[str, Any]) -> None:
    """Refuse outcomes by split without validation, on which tickets are chosen; ``run`` is one that they are of.

    Raises:
        UserError: there are no validation examples.
    """
    if "validation" not in by_split:
        raise DamagedError(predictions_file(results, run), "no validation examples, on which a ticket is chosen")
