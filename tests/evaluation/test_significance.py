"""Intervals and tests, compared with computations by hand, references and simulations of known parameters."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from conftest import names_in
from scipy import stats
from simulations import crossed, few_resamples

from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.resampling import sample
from supertickets.evaluation.significance import (
    average,
    bounded,
    difference,
    holm,
    mean_intervals,
    over_both,
    p_above,
    permutation_p,
    seed_interval,
    variances,
    wald,
)

__all__ = ["few_resamples"]  # the fixture


def test_means_over_seeds_have_students_intervals() -> None:
    values = [70.0, 72.0, 77.0]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    table = mean_intervals(pd.DataFrame({"ratio": [0.1, 0.1, 0.1, 0.2], "value": [*values, 50.0]}), ["ratio"])
    several, single = table.loc[0.1], table.loc[0.2]
    assert (several["mean"] - several["half"], several["mean"] + several["half"]) == pytest.approx((low, high))
    assert (single["mean"], single["half"], single["seeds"]) == (50, 0, 1)


@pytest.mark.parametrize(
    ("values", "lowest", "gains", "ends"),
    [
        ([98.0, 99.5, 99.9], 0, False, (0, 100)),
        ([0.1, 0.5, 2.0], 0, False, (0, 100)),
        ([-99.0, -100.0, -98.0], -100, False, (-100, 100)),
        ([-98.0, -99.5, -99.9], 0, True, (-100, 100)),
        ([198.0, 199.5, 199.9], -100, True, (-200, 200)),
    ],
)
def test_intervals_over_seeds_end_where_the_metric_does(
    values: list[float], lowest: int, gains: bool, ends: tuple[int, int]
) -> None:
    table = mean_intervals(pd.DataFrame({"metric": ["a"] * 3 + ["b"] * 2, "value": [*values, 50.0, 60.0]}), ["metric"])
    low, high = bounded(table, lowest, gains)
    whole = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert (low["a"], high["a"]) == pytest.approx(tuple(np.clip(whole, *ends)))
    assert np.ptp([low["a"], high["a"]]) < np.ptp(whole)
    assert np.isnan([low["b"], high["b"]]).all()
    by_row = bounded(table, pd.Series({"a": lowest, "b": -1000}), gains)
    assert by_row[0].equals(low) and by_row[1].equals(high)


def test_the_permutation_test_is_that_of_all_signs() -> None:
    differences = np.array([1.0, 2.0, -0.5, 3.0, 0.25])
    means = [np.mean(differences * signs) for signs in product([1, -1], repeat=5)]
    expected = 2 * min(np.mean(np.array(means) >= differences.mean()), np.mean(np.array(means) <= differences.mean()))
    assert permutation_p(differences) == pytest.approx(expected)
    assert [permutation_p(np.ones(count)) for count in (2, 3, 6)] == [0.5, 0.25, 0.03125]
    assert np.isnan(permutation_p(np.ones(1)))


def test_the_bootstrap_over_seeds_is_that_of_all_resamples_at_a_raised_level() -> None:
    differences = np.array([1.0, 2.0, -0.5, 3.0, 0.25, 1.5])
    means = np.sort([np.mean(chosen) for chosen in product(differences, repeat=6)])
    tail = stats.norm.sf(np.sqrt(6 / 5) * stats.t.ppf(0.975, 5))
    assert tail == pytest.approx(0.0024, abs=1e-4)
    assert seed_interval(differences) == pytest.approx(np.quantile(means, [tail, 1 - tail]), abs=0.15)
    assert seed_interval(np.array([1.0, 2.0, 4.0])) == (1.0, 4.0)  # three seeds: their range
    assert np.isnan(seed_interval(np.array([1.0]))).all()


def test_holm_by_hand() -> None:
    p_values = holm(np.array([0.04, np.nan, 0.01, 0.03]))
    np.testing.assert_allclose(p_values, [0.06, np.nan, 0.03, 0.06])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_the_error_over_seeds_and_examples_is_that_of_the_two_way_table() -> None:
    random = np.random.default_rng(5)
    table = 100 * np.sign(crossed(random, 4, 300, 0.3, 0.7, 1.0))
    resampled = np.array([table[:, random.integers(300, size=300)].mean(1) for _ in range(6000)]).T
    error, freedom = over_both(variances(table.mean(1), resampled), len(table), 300)
    rest = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    a, b = table.mean(1).var(ddof=1) / 4, table.mean(0).var(ddof=1) / 300
    c = (rest**2).sum() / (3 * 299) / 1200
    variance = max(a + b - c, a, b)
    assert error == pytest.approx(np.sqrt(variance), rel=0.03)
    assert freedom == pytest.approx(variance**2 / (a**2 / 3 + b**2 / 299 + c**2 / (3 * 299)), rel=0.1)
    low, high, p = wald(1.0, [(error, freedom), (0.1 * error, 3)])
    assert (low, high) == pytest.approx(stats.t.interval(0.95, freedom, loc=1.0, scale=error))
    assert p == pytest.approx(2 * stats.t.sf(1.0 / error, freedom))
    assert wald(1.0, [(0.1 * error, 3), (error, freedom)]) == (low, high, p)  # the more conservative one, in any order
    assert np.isnan(wald(2.0, [(0.0, 2.0)])).all()  # no spread: no estimate of the error
    assert np.isnan(wald(0.0, [(0.0, 2.0)])[:2]).all() and wald(0.0, [(0.0, 2.0)])[2] == 1.0
    assert np.isnan([wald(mean, [(1.0, 2.0), (np.nan, 0)]) for mean in (0.0, 1.0)]).all()


def test_an_average_over_tasks_adds_their_variances() -> None:
    gain = average(np.array([1.0, 3.0]), np.array([0.6, 0.8]), np.array([4.0, 9.0]), np.array([0.3, 0.4]), 3, 0)
    freedom = 0.25**2 / (0.09**2 / 4 + 0.16**2 / 9)
    over_seeds = 0.0625**2 / (0.0225**2 / 2 + 0.04**2 / 2)
    pairs = [(0.5, freedom), (0.25, over_seeds)]
    low, high = max((stats.t.interval(0.95, df, loc=2.0, scale=error) for error, df in pairs), key=np.ptp)
    p = max(2 * stats.t.sf(2.0 / error, df) for error, df in pairs)
    assert gain == pytest.approx({"difference": 2.0, "low": low, "high": high, "p": p})
    of_one_seed = average(*np.full((4, 2), np.nan), 1, 0)
    assert np.isnan([of_one_seed[name] for name in ("low", "high", "p")]).all()
    of_two_metrics = average(np.array([90.0, 190.0]), *np.full((3, 2), 20.0), 3, np.mean([0, -100]))
    assert of_two_metrics["low"] < 140 and of_two_metrics["high"] == 150


@pytest.mark.parametrize("metric", sorted(names_in("evaluation/metrics")))
def test_scores_on_resampled_examples_are_those_of_the_metric(metric: str, few_resamples: None) -> None:
    random = np.random.default_rng(2)
    regression = metric in ("pearson", "spearman")
    labels = random.normal(size=60).round(1) if regression else random.integers(0, 2, 60).astype(float)
    noise = random.normal(size=(2, 60)).round(1)
    predicted = labels + noise if regression else np.where(noise > 0, labels, 1 - labels)
    counts = random.multinomial(60, np.full(60, 1 / 60), size=20)
    for run in predicted:
        expected = [metric_of(metric).plain(np.repeat(run, count), np.repeat(labels, count)) for count in counts]
        np.testing.assert_allclose(metric_of(metric).weighted(run, labels, counts.astype(float)), expected, rtol=1e-9)
    of_runs = sample(metric, labels, predicted)
    np.testing.assert_allclose(of_runs.scores, [100 * metric_of(metric).plain(run, labels) for run in predicted])
    assert of_runs.resampled.shape == (2, 150)
    assert of_runs.resampled.mean() == pytest.approx(of_runs.scores.mean(), abs=5)
    of_draws = sample(metric, labels, np.stack([predicted, predicted[::-1]], axis=1))  # two draws of each seed
    np.testing.assert_allclose(of_draws.scores, [of_runs.scores.mean()] * 2)
    np.testing.assert_allclose(of_draws.resampled, [of_runs.resampled.mean(0)] * 2)


@pytest.mark.parametrize("name", ["matthews", "macro_f1", "weighted_f1", "balanced_accuracy"])
@pytest.mark.parametrize("examples", [4, 40])
def test_weighted_metrics_of_three_classes(name: str, examples: int) -> None:
    random = np.random.default_rng(4)
    labels, predicted = random.integers(0, 3, (2, examples)).astype(float)
    # Some resamples of four examples lack a class, among labels, predictions or both.
    counts = random.multinomial(examples, np.full(examples, 1 / examples), size=20)
    expected = [metric_of(name).plain(np.repeat(predicted, count), np.repeat(labels, count)) for count in counts]
    np.testing.assert_allclose(metric_of(name).weighted(predicted, labels, counts.astype(float)), expected)


def test_metrics_of_classes_are_what_their_names_say() -> None:
    true, predicted = np.array([0, 0, 0, 1, 2.0]), np.array([0, 0, 1, 1, 1.0])
    # F1 of the classes: 4/5, 1/2 and 0; recalls: 2/3, 1 and 0.
    assert metric_of("macro_f1").plain(predicted, true) == pytest.approx((4 / 5 + 1 / 2) / 3)
    assert metric_of("weighted_f1").plain(predicted, true) == pytest.approx((3 * 4 / 5 + 1 / 2) / 5)
    assert metric_of("balanced_accuracy").plain(predicted, true) == pytest.approx((2 / 3 + 1) / 3)
    assert metric_of("f1_of_first").plain(predicted[:4], true[:4]) == pytest.approx(4 / 5)
    assert metric_of("f1").plain(predicted[:4], true[:4]) == pytest.approx(2 / 3)


def test_weighted_metrics_of_constant_predictions() -> None:
    labels = np.random.default_rng(4).integers(0, 3, 40).astype(float)
    constant, ones = np.zeros(40), np.ones((1, 40))
    assert (
        metric_of("matthews").weighted(constant, labels, ones) == 0
        and metric_of("f1").weighted(constant, constant, ones) == 0
    )
    assert np.isnan([metric_of(name).weighted(constant, labels, ones) for name in ("pearson", "spearman")]).all()


def test_the_interval_over_examples_agrees_with_the_normal_one() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 400).astype(float)
    full, ticket = (np.where(random.random((3, 400)) < right, labels, 1 - labels) for right in (0.8, 0.7))
    values = difference(sample("accuracy", labels, full), sample("accuracy", labels, ticket))
    by_example = 100 * ((ticket == labels).mean(0) - (full == labels).mean(0))
    low, high = stats.norm.interval(0.95, loc=by_example.mean(), scale=stats.sem(by_example))
    assert values["difference"] == pytest.approx(by_example.mean())
    assert (values["examples_low"], values["examples_high"]) == pytest.approx((low, high), abs=0.5)
    assert values["ticket"] - values["full"] == pytest.approx(values["difference"])


@pytest.mark.parametrize(
    ("seeds", "spreads"),
    [(3, (0.0, 0.0, 0.4)), (3, (0.02, 0.2, 0.3)), (3, (0.07, 0.0, 0.3)), (5, (0.05, 0.1, 0.3)), (5, (0.0, 0.3, 0.1))],
)
def test_the_interval_over_seeds_and_examples_covers(seeds: int, spreads: tuple[float, float, float]) -> None:
    random = np.random.default_rng(seeds)
    p_values, over_seeds_alone = [], 0
    for _ in range(600):
        table = crossed(random, seeds, 200, *spreads)
        counts = random.multinomial(200, np.full(200, 1 / 200), size=150) / 200
        over_seeds = (stats.sem(table.mean(1)), seeds - 1)
        low, high, p = wald(
            table.mean(), [over_both(variances(table.mean(1), table @ counts.T), seeds, 200), over_seeds]
        )
        p_values.append(p)
        assert (p > 0.05) == (low <= 0 <= high)
        alone = stats.t.interval(0.95, over_seeds[1], loc=table.mean(), scale=over_seeds[0])
        over_seeds_alone += alone[0] <= 0 <= alone[1]
    # 0.05 plus four standard deviations, and the same at 0.05 / 14, a level that Holm's correction uses.
    assert np.mean(np.array(p_values) <= 0.05) <= 0.086
    assert np.mean(np.array(p_values) <= 0.05 / 14) <= 0.0134
    if spreads == (0.0, 0.3, 0.1):  # an interval over seeds misses the luck of the examples
        assert over_seeds_alone / 600 < 0.5


def test_the_bootstrap_over_seeds_covers_and_the_permutation_test_rejects_as_often_as_it_says() -> None:
    random = np.random.default_rng(7)
    inside = [low <= 0 <= high for low, high in (seed_interval(random.normal(size=10)) for _ in range(500))]
    assert 0.92 <= np.mean(inside) <= 0.975  # 0.949 of 1,500
    rejected = [permutation_p(random.normal(size=8)) <= 0.05 for _ in range(600)]
    assert 0.025 <= np.mean(rejected) <= 0.07
    assert np.mean([permutation_p(random.normal(size=8) + 1.5) <= 0.05 for _ in range(50)]) > 0.8


def test_intervals_end_where_the_metric_does() -> None:
    labels = np.tile([0.0, 1.0], 20)
    random = np.random.default_rng(2)
    full = sample("accuracy", labels, np.stack([labels, np.where(random.random(40) < 0.9, labels, 1 - labels)]))
    ticket = sample("accuracy", labels, np.stack([labels, np.where(random.random(40) < 0.3, labels, 1 - labels)]))
    values = difference(full, ticket)
    assert (values["low"], values["high"]) == (-100, 100)


def test_a_margin_is_tested_from_one_side() -> None:
    assert p_above(0.5, -1.0, [(0.5, 20.0), (0.6, 4.0)], 9) == pytest.approx(stats.t.sf(1.5 / 0.6, 4))
    assert p_above(-1.0, -1.0, [(0.5, 20.0)], 9) == pytest.approx(0.5)
    assert np.isnan(p_above(float("nan"), -1.0, [(0.5, 20.0)], 9))
    # Models that never differ: what a difference of the margin would have had to escape.
    assert p_above(0.0, -1.0, [(0.0, 2.0)], 50) == pytest.approx(0.99**50)
    assert p_above(-1.0, -1.0, [(0.0, 2.0)], 50) == 1
