"""What an experiment can show: the smallest difference, and how many seeds or examples a margin needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

from supertickets.evaluation.columns import documents_in
from supertickets.evaluation.significance import LEVEL, over_both
from supertickets.seeds import generator

#: Probability with which a difference of the stated size is found.
POWER = 0.8
#: Largest number of seeds, and largest multiple of the examples, that are tried.
MOST_SEEDS, MOST_EXAMPLES = 1000, 1000
#: Number of simulated experiments.
EXPERIMENTS = 2048


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a difference between two models, in points.

    Attributes:
        seeds: between training runs, on all examples that there could be.
        examples: between examples, for all runs that there could be; between documents of a task that has them, each
            of as many examples as theirs are on average.
        residual: between examples, or documents, of single runs.
    """

    seeds: float
    examples: float
    residual: float

    @classmethod
    def of(cls, curve: pd.DataFrame) -> Spread:
        """The mean variances over the rows of a table of comparisons: tickets of one model, task, size and split."""
        seeds, examples = curve["seeds"], documents_in(curve)
        residual = (curve["variance_residual"] * seeds * examples).mean()
        by_seed = ((curve["variance_seeds"] - curve["variance_residual"]) * seeds).mean()
        by_example = ((curve["variance_examples"] - curve["variance_residual"]) * examples).mean()
        return cls(*np.sqrt(np.clip([by_seed, by_example, residual], 0, None)))

    def variances(self, seeds: int, examples: int) -> tuple[float, float, float]:
        """Variances of a mean difference over this many seeds and examples.

        They are what :func:`supertickets.evaluation.significance.variances` estimates. Here and below, examples are
        documents where the spread is between these.
        """
        residual = self.residual**2 / (seeds * examples)
        return self.seeds**2 / seeds + residual, self.examples**2 / examples + residual, residual

    def detectable(self, seeds: int, examples: int, tests: int, sided: int = 2) -> float:
        """The smallest true difference that a test finds with :data:`POWER`, in points.

        From :data:`EXPERIMENTS` simulated experiments, the same for all spreads and numbers: in each, the mean
        difference is off by chance, and its standard errors are estimates too. With few seeds the textbooks' sum of two
        quantiles of t, which takes the errors as known, is too small.

        Args:
            seeds, examples: numbers of them, two at least.
            tests: how many are corrected together; Holm's method begins with the level of Bonferroni's.
            sided: 2 for a difference, 1 for a loss below a margin: the margin that a ticket which is as good as the
                full model is shown to keep.
        """
        tail = (1 - LEVEL) / sided / tests
        chance, *uniform = _experiments()
        parts, freedoms = self.variances(seeds, examples), (seeds - 1, examples - 1, (seeds - 1) * (examples - 1))
        estimates = [
            variance * stats.chi2.ppf(part, freedom) / freedom
            for variance, part, freedom in zip(parts, uniform, freedoms, strict=True)
        ]
        error, freedom = over_both((estimates[0], estimates[1], estimates[2]), seeds, examples)
        found_from = np.maximum(
            stats.t.isf(tail, freedom) * error, stats.t.isf(tail, seeds - 1) * np.sqrt(estimates[0])
        )
        off = stats.norm.ppf(chance) * np.sqrt(parts[0] + parts[1] - parts[2])
        return float(np.quantile(found_from - off, POWER))


@cache
def _experiments() -> np.ndarray:
    """Sobol points for the random part of each simulated experiment, shape (4, experiments), in (0, 1)."""
    return stats.qmc.Sobol(4, rng=generator(0, "simulated experiments")).random(EXPERIMENTS).T


def needed_columns(spread: Spread, margin: float, rows: pd.DataFrame, tests: int | None = None) -> dict[str, float]:
    """What shows that a margin is kept (:func:`needed`), as columns of a table.

    Args:
        spread: of the pilot.
        margin: in points.
        rows: the pilot's comparisons, a row for each ratio that is tested.
        tests: how many are corrected together; as many as there are rows if None.

    Returns:
        ``seeds_needed`` and ``examples_needed``; of a task that has documents ``documents_needed`` too, and the
        examples are as many as so many documents have, of the pilot's average size.
    """
    first = rows.iloc[0]
    seeds, examples, documents = int(first["seeds"]), int(first["examples"]), int(documents_in(rows).iloc[0])
    seeds_needed, count = needed(spread, margin, seeds, documents, tests or len(rows))
    columns = {"seeds_needed": seeds_needed, "examples_needed": float(np.ceil(count * examples / documents))}
    return columns | ({"documents_needed": count} if pd.notna(first.get("documents")) else {})


def needed_together(spread: Spread, margin: float, seeds: int, examples: int, ratios: int) -> tuple[int, int] | None:
    """How many seeds and examples, both more by the same factor, show that a margin is kept; see :func:`needed`.

    Returns:
        Numbers of seeds and of examples, or documents; None where a hundred times as many are not enough.
    """

    def more(quarters: float) -> tuple[int, int]:
        return math.ceil(seeds * quarters / 4), math.ceil(examples * quarters / 4)

    quarters = _least(5, 400, lambda count: spread.detectable(*more(count), ratios, sided=1) <= margin)
    return more(quarters) if quarters < math.inf else None


def needed(spread: Spread, margin: float, seeds: int, examples: int, ratios: int) -> tuple[float, float]:
    """How many seeds, on as many examples, or how many examples, with as many seeds, show that a margin is kept.

    Args:
        spread: of the pilot.
        margin: in points.
        seeds, examples: of the pilot; of a task that has documents, these.
        ratios: that are tested together.

    Returns:
        Both numbers, for a ticket that is as good as the full model; infinite where more of them are not enough. More
        examples of the same documents say little, so the second number is one of documents where there are any.
    """
    return (
        _least(2, MOST_SEEDS, lambda count: spread.detectable(count, examples, ratios, sided=1) <= margin),
        _least(2, MOST_EXAMPLES * examples, lambda count: spread.detectable(seeds, count, ratios, sided=1) <= margin),
    )


def _least(low: int, most: int, enough: Callable[[int], bool]) -> float:
    """The smallest number from ``low`` to ``most`` that is enough; infinite if none is."""
    if not enough(most):
        return math.inf
    while low < most:
        middle = (low + most) // 2
        low, most = (low, middle) if enough(middle) else (middle + 1, most)
    return float(low)
