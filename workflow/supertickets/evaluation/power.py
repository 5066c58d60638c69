"""What an experiment can show: the smallest difference, and how many seeds or examples a margin needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from supertickets.evaluation.columns import documents_in
from supertickets.evaluation.significance import LEVEL

#: Probability with which a difference of the stated size is found.
POWER = 0.8
#: Most seeds, and most times as many examples as there are, that are looked at.
MOST_SEEDS, MOST_EXAMPLES = 1000, 1000


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

    def errors(self, seeds: int, examples: int) -> list[tuple[float, float]]:
        """Standard errors of a mean over so many, with degrees of freedom: over both, and over seeds alone.

        Here and below, examples are documents where the spread is between these.
        """
        over_seeds = self.seeds**2 / seeds + self.residual**2 / (seeds * examples)
        both = over_seeds + self.examples**2 / examples
        # Clark's quasi-F, as in significance.over_both.
        parts = ((over_seeds, seeds - 1), (both - self.seeds**2 / seeds, examples - 1))
        freedom = both**2 / sum(part**2 / count for part, count in parts) if both else float(seeds - 1)
        return [(float(np.sqrt(both)), freedom), (float(np.sqrt(over_seeds)), seeds - 1)]

    def detectable(self, seeds: int, examples: int, tests: int, sided: int = 2) -> float:
        """The smallest true difference that a test finds with :data:`POWER`, in points.

        Args:
            seeds, examples: numbers of them; two seeds at least.
            tests: how many are corrected together; Holm's method begins with the level of Bonferroni's.
            sided: 2 for a difference, 1 for a loss below a margin: the margin that a ticket which is as good as the
                full model is shown to keep.
        """
        tail = (1 - LEVEL) / sided / tests
        return max(
            (stats.t.isf(tail, freedom) + stats.t.ppf(POWER, freedom)) * error
            for error, freedom in self.errors(seeds, examples)
        )


def needed_columns(spread: Spread, margin: float, rows: pd.DataFrame) -> dict[str, float]:
    """What shows that a margin is kept (:func:`needed`), as columns of a table.

    Args:
        spread: of the pilot.
        margin: in points.
        rows: the pilot's comparisons, a row for each ratio that is tested.

    Returns:
        ``seeds_needed`` and ``examples_needed``; of a task that has documents ``documents_needed`` too, and the
        examples are as many as so many documents have, of the pilot's average size.
    """
    first = rows.iloc[0]
    seeds, examples, documents = int(first["seeds"]), int(first["examples"]), int(documents_in(rows).iloc[0])
    seeds_needed, count = needed(spread, margin, seeds, documents, len(rows))
    columns = {"seeds_needed": seeds_needed, "examples_needed": float(np.ceil(count * examples / documents))}
    return columns | ({"documents_needed": count} if pd.notna(first.get("documents")) else {})


def needed_together(spread: Spread, margin: float, seeds: int, examples: int, ratios: int) -> tuple[int, int] | None:
    """How many seeds and examples, both more by the same factor, show that a margin is kept; see :func:`needed`.

    Returns:
        Numbers of seeds and of examples, or documents; None where a hundred times as many are not enough.
    """
    for step in range(5, 401):
        more, count = -(-seeds * step // 4), -(-examples * step // 4)
        if spread.detectable(more, count, ratios, sided=1) <= margin:
            return more, count
    return None


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

    def least(low: int, most: int, enough: Callable[[int], bool]) -> float:
        if not enough(most):
            return float("inf")
        while low < most:
            middle = (low + most) // 2
            low, most = (low, middle) if enough(middle) else (middle + 1, most)
        return float(low)

    return (
        least(2, MOST_SEEDS, lambda count: spread.detectable(count, examples, ratios, sided=1) <= margin),
        least(2, MOST_EXAMPLES * examples, lambda count: spread.detectable(seeds, count, ratios, sided=1) <= margin),
    )
