"""Medians and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from supertickets.evaluation.median import median_interval


@pytest.mark.parametrize(("count", "rank"), [(6, 1), (9, 2), (30, 10), (100, 40)])
def test_the_ends_are_order_statistics(count: int, rank: int) -> None:
    values = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert median_interval(values, 0.95) == ((count + 1) / 2, rank, count + 1 - rank)
    # As many as can be left out: the next rank would miss the median too often.
    assert stats.binom.cdf(rank - 1, count, 0.5) <= 0.025 < stats.binom.cdf(rank, count, 0.5)


def test_too_few_values_have_no_interval() -> None:
    middle, low, high = median_interval(np.array([3.0, 1.0, 2.0, 9.0, 5.0]), 0.95)
    assert middle == 3 and np.isnan([low, high]).all()


@pytest.mark.parametrize("distribution", [stats.norm(), stats.lognorm(2), stats.uniform()], ids=["norm", "log", "flat"])
def test_the_interval_covers_whatever_the_distribution(distribution: stats.rv_frozen) -> None:
    samples = distribution.rvs((4000, 30), random_state=np.random.default_rng(1))
    ends = np.array([median_interval(sample, 0.95)[1:] for sample in samples])
    covered = np.mean((ends[:, 0] <= distribution.median()) & (distribution.median() <= ends[:, 1]))
    assert abs(covered - 0.957) < 0.012
