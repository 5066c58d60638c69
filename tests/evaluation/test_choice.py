"""Choosing a ratio by hand: ties, undefined scores, and where a curve has its peak."""

from __future__ import annotations

import numpy as np

from supertickets.evaluation.choice import choose, choose_own, peak


def test_equal_scores_choose_the_smaller_ratio_and_the_heavier_peak() -> None:
    right = {0.0: (0.5, 0.5, 0.5), 0.1: (0.89, 0.74, 0.65), 0.2: (0.89, 0.65, 0.74), 0.3: (0.65, 0.74, 0.89)}
    scores = {ratio: np.array(shares) for ratio, shares in right.items()}
    assert choose({ratio: values for ratio, values in scores.items() if ratio}) == 0.1
    assert peak(scores)["peak_ratio"] == 0.1


def test_an_undefined_score_is_never_chosen_and_never_a_peak() -> None:
    undefined, all_undefined = np.array([99.0, np.nan]), np.full(2, np.nan)
    assert choose({0.1: undefined, 0.2: np.array([5.0, 6.0])}) == 0.2
    assert peak({0.0: np.array([4.0, 4.0]), 0.1: undefined, 0.2: np.array([5.0, 6.0])})["peak_ratio"] == 0.2
    assert np.isnan(choose({0.1: undefined, 0.2: all_undefined}))
    assert np.isnan(list(peak({0.0: undefined, 0.1: all_undefined}).values())).all()


def test_the_peak_has_an_interval_over_seeds() -> None:
    random = np.random.default_rng(15)
    curve = {0.0: 70.0, 0.1: 72.0, 0.2: 73.0, 0.3: 68.0}
    peaks = [peak({ratio: top + random.normal(size=8) for ratio, top in curve.items()}) for _ in range(100)]
    assert np.mean([interval["peak_low"] <= 0.2 <= interval["peak_high"] for interval in peaks]) >= 0.9
    assert np.mean([interval["peak_low"] == interval["peak_high"] == 0.2 for interval in peaks]) < 0.9
    assert np.isnan(peak({ratio: np.array([top]) for ratio, top in curve.items()})["peak_low"])


def test_an_undefined_score_is_not_chosen_by_its_seed() -> None:
    ratios = choose_own({0.1: np.array([np.nan, 2.0]), 0.2: np.array([np.nan, 1.0])})
    assert np.isnan(ratios[0]) and ratios[1] == 0.1
