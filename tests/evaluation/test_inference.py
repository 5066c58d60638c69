"""Intervals and tests, compared with computations by hand, references and simulations of known parameters."""

from __future__ import annotations

import gc
import re
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import names_in
from scipy import stats

from supertickets.evaluation import significance as inference
from supertickets.evaluation.compare import constant_answer
from supertickets.evaluation.judge import corrected, with_verdicts
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.power import Spread, needed
from supertickets.evaluation.predictions import Outcomes
from supertickets.evaluation.select_ticket import HONEST, WAYS, by_halves, choose, halves, peak, reports
from supertickets.evaluation.significance import (
    average,
    difference,
    holm,
    mean_intervals,
    over_both,
    p_above,
    permutation_p,
    sample,
    seed_interval,
    variances,
    wald,
)


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use few resamples, since simulations repeat all computations many times."""
    monkeypatch.setattr(inference, "RESAMPLES", 150)
    # statsmodels looks for garbage before each correction, a tenth of a second of the tests' large process.
    monkeypatch.setattr(gc, "collect", lambda: 0)


def crossed(
    random: np.random.Generator, seeds: int, examples: int, by_seed: float, by_example: float, rest: float
) -> np.ndarray:
    """Draw differences with zero mean for each seed and example, the sum of three random effects."""
    parts = (random.normal(size=shape) * spread for shape, spread in (
        ((seeds, 1), by_seed), ((1, examples), by_example), ((seeds, examples), rest)
    ))  # fmt: skip
    return sum(parts)


def test_means_over_seeds_have_students_intervals() -> None:
    values = [70.0, 72.0, 77.0]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    table = mean_intervals(pd.DataFrame({"ratio": [0.1, 0.1, 0.1, 0.2], "value": [*values, 50.0]}), ["ratio"])
    several, single = table.loc[0.1], table.loc[0.2]
    assert (several["mean"] - several["half"], several["mean"] + several["half"]) == pytest.approx((low, high))
    assert (single["mean"], single["half"], single["seeds"]) == (50, 0, 1)


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
    gain = average(np.array([1.0, 3.0]), np.array([0.6, 0.8]), np.array([4.0, 9.0]), np.array([0.3, 0.4]), 3)
    freedom = 0.25**2 / (0.09**2 / 4 + 0.16**2 / 9)
    over_seeds = 0.0625**2 / (0.0225**2 / 2 + 0.04**2 / 2)
    pairs = [(0.5, freedom), (0.25, over_seeds)]
    low, high = max((stats.t.interval(0.95, df, loc=2.0, scale=error) for error, df in pairs), key=np.ptp)
    p = max(2 * stats.t.sf(2.0 / error, df) for error, df in pairs)
    assert gain == pytest.approx({"difference": 2.0, "low": low, "high": high, "p": p})
    of_one_seed = average(*np.full((4, 2), np.nan), 1)
    assert np.isnan([of_one_seed[name] for name in ("low", "high", "p")]).all()


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


def test_weighted_metrics_of_three_classes_and_of_constant_predictions() -> None:
    random = np.random.default_rng(4)
    labels, predicted = random.integers(0, 3, (2, 40)).astype(float)
    counts = random.multinomial(40, np.full(40, 1 / 40), size=5)
    expected = [metric_of("matthews").plain(np.repeat(predicted, count), np.repeat(labels, count)) for count in counts]
    np.testing.assert_allclose(metric_of("matthews").weighted(predicted, labels, counts.astype(float)), expected)
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


def outcomes(random: np.random.Generator, labels: np.ndarray, right: float | np.ndarray, seeds: int = 3) -> Outcomes:
    """Simulate runs whose predictions are right with a probability, one for all seeds or one for each."""
    hit = random.random((seeds, len(labels))) < np.broadcast_to(right, seeds)[:, None]
    return Outcomes(labels, np.where((labels == 1) == hit, 1.0, -1.0)[..., None] * [-0.5, 0.5])


def score(runs: Outcomes) -> float:
    return 100 * (runs.predicted == runs.labels).mean()


def experiment(
    random: np.random.Generator, seeds: int, gain: float = 0.0, failing: float = 0.0, test: bool = True
) -> dict[str, dict[float, Outcomes]]:
    """Simulate an experiment of seven ratios: seeds differ, and so does each run of a seed, on all examples alike.

    Args:
        random: the random generator.
        seeds: number of seeds.
        gain: of every ticket over the full model, in points.
        failing: probability that a run learns nothing.
        test: whether there is a test split.
    """
    ratios = np.arange(8) / 10
    rights = 0.75 + 0.02 * random.normal(size=(seeds, 1)) + 0.027 * random.normal(size=(seeds, len(ratios)))
    rights[:, 1:] += gain / 100
    rights = np.where(random.random(rights.shape) < failing, 0.5, rights)
    splits = {}
    for split, count in (("validation", 200), ("test", 300))[: 1 + test]:
        labels = random.integers(0, 2, count).astype(float)
        splits[split] = {ratio: outcomes(random, labels, rights[:, place], seeds) for place, ratio in enumerate(ratios)}
    return splits


def gains(count: int, seed: int, ways: Sequence[str] = WAYS, **what: Any) -> pd.DataFrame:
    """Simulate experiments; for each the gain of the super ticket by every way of reporting it."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        pairs = reports("accuracy", experiment(random, **what), ways)[1]
        rows.append({f"{name}_{way}": value for way in pairs for name, value in difference(*pairs[way]).items()})
    return pd.DataFrame(rows)


def test_runs_that_choose_and_report_a_ticket_flatter_it_and_other_runs_do_not(few_resamples: None) -> None:
    """Runs of one seed and ratio are good or bad on validation and test alike."""
    table = gains(120, 11, seeds=3)
    for way in ("same_split", "other_half", "other_split"):
        assert table[f"difference_{way}"].mean() > 1.0
    honest = table[f"difference_{HONEST}"]
    assert abs(honest.mean()) < 3 * stats.sem(honest)


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    [{"seeds": 6}, {"seeds": 3}, {"seeds": 6, "failing": 0.1}, {"seeds": 6, "test": False}],
    ids=["six seeds", "three seeds", "failing runs", "without a test split"],
)
def test_the_honest_gain_is_calibrated(few_resamples: None, what: dict[str, Any]) -> None:
    """Without a gain; two tasks of one experiment, whose tests are corrected together."""
    count = 240
    table = gains(count, 5, [HONEST], **what)
    honest = table[f"difference_{HONEST}"]
    # Bounds leave room for so few simulations; 1,200 gave a mean of 0.06, 95% covered, and 2% false gains.
    assert abs(honest.mean()) < 0.1 + 3 * stats.sem(honest)
    covered = (table[f"low_{HONEST}"] <= 0) & (table[f"high_{HONEST}"] >= 0)
    assert covered.mean() >= 0.92
    p = table[f"p_{HONEST}"].to_numpy().reshape(-1, 2)
    false = [(holm(pair) <= 0.05) & (gain > 0) for pair, gain in zip(p, honest.to_numpy().reshape(-1, 2), strict=True)]
    assert np.mean(np.any(false, axis=1)) <= 0.05


@pytest.mark.slow
def test_a_planted_gain_is_found(few_resamples: None) -> None:
    table = gains(100, 6, [HONEST], seeds=6, gain=10.0)
    assert abs(table[f"difference_{HONEST}"].mean() - 10.0) < 0.8
    assert (table[f"p_{HONEST}"] <= 0.05).mean() > 0.7


def test_each_seed_is_reported_with_the_ratio_that_the_others_chose() -> None:
    random = np.random.default_rng(12)
    by_split = experiment(random, 4)
    rights = {
        (split, ratio): 100 * (runs.predicted == runs.labels).mean(axis=1)
        for split, by_ratio in by_split.items()
        for ratio, runs in by_ratio.items()
    }
    ratios = [ratio for ratio in by_split["test"] if ratio > 0]
    ratio, pairs = reports("accuracy", by_split)
    assert ratio == max(ratios, key=lambda ratio: rights["validation", ratio].mean())
    full, ticket = pairs[HONEST]
    for seed in range(4):
        others = [other for other in range(4) if other != seed]
        chosen = max(ratios, key=lambda ratio: rights["validation", ratio][others].mean())
        assert ticket.scores[seed] == pytest.approx(rights["test", chosen][seed])
        assert full.scores[seed] == pytest.approx(rights["test", 0.0][seed])


def test_halves_are_each_reported_with_the_ratio_that_is_best_on_the_other() -> None:
    random = np.random.default_rng(12)
    labels = random.integers(0, 2, 81).astype(float)
    runs = {ratio: outcomes(random, labels, 0.7) for ratio in (0.0, 0.1, 0.2, 0.3)}
    first, second = halves(81)
    assert sorted([*first, *second]) == list(range(81)) and abs(len(first) - len(second)) == 1

    def mean(ratio: float, rows: np.ndarray) -> float:
        return 100 * (runs[ratio].predicted[:, rows] == labels[rows]).mean()

    for_first = max((0.1, 0.2, 0.3), key=lambda ratio: mean(ratio, second))
    for_second = max((0.1, 0.2, 0.3), key=lambda ratio: mean(ratio, first))
    full, ticket = reports("accuracy", {"validation": runs})[1]["other_half"]
    assert full.scores.mean() == pytest.approx(score(runs[0.0])) and full.examples == 81
    shares = len(first) / 81, len(second) / 81
    expected = shares[0] * mean(for_first, first) + shares[1] * mean(for_second, second)
    assert ticket.scores.mean() == pytest.approx(expected)


def test_halves_of_a_regression_are_scored_apart_whatever_the_scale_of_their_tickets() -> None:
    random = np.random.default_rng(14)
    labels = random.normal(size=100)
    base = labels + random.normal(size=(3, 100))
    runs = {ratio: Outcomes(labels, (scale * base + shift)[..., None]) for ratio, scale, shift in (
        (0.0, 1, 0), (0.1, 1, 0), (0.2, 0.5, 0.6)
    )}  # fmt: skip
    full, ticket = by_halves("pearson", runs, [[0.1] * 3, [0.2] * 3])
    np.testing.assert_allclose(ticket.scores, full.scores)
    np.testing.assert_allclose(ticket.resampled, full.resampled)


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


def sweep(random: np.random.Generator, rights: dict[float, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate a chosen ticket and its curve.

    Args:
        random: the random generator.
        rights: probability of a correct prediction, by ratio.
    """
    parts = {}
    for split, count in (("validation", 80), ("test", 150)):
        labels = random.integers(0, 2, count).astype(float)
        parts[split] = {ratio: outcomes(random, labels, right, 5) for ratio, right in rights.items()}
    ratio, pairs = reports("accuracy", parts, [HONEST])
    sampled = {ratio: sample("accuracy", runs.labels, runs.predicted) for ratio, runs in parts["test"].items()}
    trial = {"model": "m", "task": "t", "train_size": "9", "split": "test", "reported": True, "seeds": 5}
    trial |= {"examples": 150, "chance": 50.0, "p_chance": 0.0}
    rows = [
        {**trial, "kind": "winning", "ratio": cut, "weight_remaining": 1 - cut} | difference(sampled[0.0], sampled[cut])
        for cut in rights
        if cut > 0
    ]
    honest = {f"{name}_{HONEST}": value for name, value in difference(*pairs[HONEST]).items()}
    chosen = {**trial, "ratio": ratio, "weight_remaining": 1 - ratio} | honest
    return pd.DataFrame([chosen]), corrected(pd.DataFrame(rows))


MARGIN = {"t": 5.0}


@pytest.mark.slow
def test_a_sweep_of_labels_that_depend_on_nothing_reports_no_gain(few_resamples: None) -> None:
    random = np.random.default_rng(13)
    chance = dict.fromkeys(np.arange(5) / 10, 0.5)
    verdicts = [with_verdicts(*sweep(random, chance), MARGIN)["verdict"].iloc[0] for _ in range(30)]
    assert sum(verdict.startswith("gains") for verdict in verdicts) <= 30 * 0.05 + 2
    assert sum("loses" in verdict for verdict in verdicts) <= 30 * 0.05 + 2


@pytest.mark.parametrize(
    ("rights", "words", "keeps"),
    [
        ({0.0: 0.6, 0.1: 0.6, 0.2: 0.9, 0.3: 0.6}, r"gains (29|3\d)\.\d at 80% weight", 0.0),
        ({0.0: 0.95, 0.1: 0.98, 0.2: 0.98, 0.3: 0.55}, r"keeps within 5 down to 80% weight; loses [34]\d\.\d at", 0.2),
        ({0.0: 0.95, 0.1: 0.98, 0.2: 0.98, 0.3: 0.98}, "keeps within 5 down to 70% weight, the lightest tried", 0.3),
        ({0.0: 0.9, 0.1: 0.6, 0.2: 0.9, 0.3: 0.9}, r"loses [23]\d\.\d at 90% weight", 0.0),
        ({0.0: 0.6, 0.1: 0.6, 0.2: 0.6, 0.3: 0.6},
         r"undecided: a difference of \d+\.\d could have been found; about \d+ (seeds|examples).* a margin of 5", 0.0),
    ],
    ids=["gains", "keeps, then loses", "keeps", "loses", "undecided"],
)  # fmt: skip
def test_a_clear_curve_gets_its_verdict(
    few_resamples: None, rights: dict[float, float], words: str, keeps: float
) -> None:
    row = with_verdicts(*sweep(np.random.default_rng(17), rights), MARGIN).iloc[0]
    assert re.search(words, row["verdict"]), row["verdict"]
    assert row["keeps_ratio"] == keeps and row["keeps_weight"] == 1 - keeps and row["margin"] == 5


def test_a_true_loss_beyond_the_margin_is_not_said_to_be_kept(few_resamples: None) -> None:
    random = np.random.default_rng(18)
    rights = {0.0: 0.8, 0.1: 0.75}
    verdicts = [with_verdicts(*sweep(random, rights), MARGIN)["verdict"].iloc[0] for _ in range(60)]
    assert sum(verdict.startswith("keeps") for verdict in verdicts) <= 60 * 0.05 + 4


def test_runs_that_never_differ_have_no_interval_and_keep_their_score() -> None:
    labels = np.tile([0.0, 1.0], 20)
    same = sample("accuracy", labels, np.stack([labels, 1 - labels]))
    values = difference(same, same)
    assert values["difference"] == 0 and values["p"] == 1 and np.isnan([values["low"], values["high"]]).all()
    verdict = verdict_alone(values, 2)
    assert verdict == "keeps within 5 down to 90% weight, the lightest tried"


def verdict_alone(values: dict[str, float], seeds: int, p_chance: float = 0.0) -> str:
    """The verdict on a task with one ratio, from its difference."""
    trial = {"model": "m", "task": "t", "train_size": "9", "split": "test", "reported": True, "seeds": seeds}
    trial |= {"ratio": 0.1, "weight_remaining": 0.9, "examples": 40, "chance": 50.0, "p_chance": p_chance}
    rows = corrected(pd.DataFrame([trial | {"kind": "winning"} | values]))
    chosen = pd.DataFrame([trial | {f"{name}_{HONEST}": value for name, value in values.items()}])
    return with_verdicts(chosen, rows, MARGIN)["verdict"].iloc[0]


def test_one_seed_has_no_interval_and_no_verdict() -> None:
    labels = np.tile([0.0, 1.0], 20)
    full = sample("accuracy", labels, labels[None])
    values = difference(full, sample("accuracy", labels, 1 - labels[None]))
    assert values["difference"] == -100 and np.isnan([values[key] for key in ("low", "high", "p", "seeds_low")]).all()
    assert verdict_alone(values, 1) == "no verdict from one seed"


def test_a_full_model_that_has_learned_nothing_has_no_other_verdict() -> None:
    labels = np.tile([0.0, 1.0, 1.0, 1.0], 20)
    constant = np.ones((3, 80))
    outcomes = Outcomes(labels, np.stack([1 - constant, constant], axis=-1))
    answer = constant_answer("accuracy", outcomes, 3)
    assert answer.scores.tolist() == [75.0] * 3 and answer.resampled.shape == (3, inference.RESAMPLES)
    assert constant_answer("matthews", outcomes, 3).scores.tolist() == [0.0] * 3
    assert constant_answer("pearson", Outcomes(labels, constant[..., None]), 2).scores.tolist() == [0.0] * 2
    values = difference(answer, sample("accuracy", labels, constant))
    assert values["p"] == 1
    verdict = verdict_alone(values, 3, values["p"])
    assert verdict == "the full model (75.0) is not shown to beat 50.0, the score of one answer to all examples"


def test_undefined_scores_have_no_difference_and_a_verdict_of_their_own() -> None:
    labels = np.arange(40.0)
    random = np.random.default_rng(2)
    full = sample("pearson", labels, labels + random.normal(size=(3, 40)))
    collapsed = labels + random.normal(size=(3, 40))
    collapsed[1] = 5.0
    values = difference(full, sample("pearson", labels, collapsed))
    assert np.isnan(list(values.values())).all()
    assert verdict_alone(values, 3) == "undefined: predictions or labels are the same for all examples"


def test_intervals_end_where_the_metric_does() -> None:
    labels = np.tile([0.0, 1.0], 20)
    random = np.random.default_rng(2)
    full = sample("accuracy", labels, np.stack([labels, np.where(random.random(40) < 0.9, labels, 1 - labels)]))
    ticket = sample("accuracy", labels, np.stack([labels, np.where(random.random(40) < 0.3, labels, 1 - labels)]))
    values = difference(full, ticket)
    assert (values["low"], values["high"]) == (-100, 100)


def test_a_margin_is_tested_from_one_side() -> None:
    assert p_above(0.5, -1.0, [(0.5, 20.0), (0.6, 4.0)]) == pytest.approx(stats.t.sf(1.5 / 0.6, 4))
    assert p_above(-1.0, -1.0, [(0.5, 20.0)]) == pytest.approx(0.5)
    assert np.isnan(p_above(float("nan"), -1.0, [(0.5, 20.0)])) and p_above(0.0, -1.0, [(0.0, 2.0)]) == 0


def test_a_pilot_says_how_many_seeds_and_examples_are_needed() -> None:
    """Components are recovered from simulated experiments, and what is planned from them is found as often as said."""
    random = np.random.default_rng(19)
    true = Spread(seeds=2.0, examples=10.0, residual=30.0)

    def row(seeds: int, examples: int, mean: float) -> dict[str, float]:
        table = mean + crossed(random, seeds, examples, true.seeds, true.examples, true.residual)
        counts = random.multinomial(examples, np.full(examples, 1 / examples), size=150) / examples
        parts = variances(table.mean(1), table @ counts.T)
        errors = [over_both(parts, seeds, examples), (stats.sem(table.mean(1)), seeds - 1)]
        names = ("variance_seeds", "variance_examples", "variance_residual")
        values = dict(zip(names, parts, strict=True)) | {"seeds": seeds, "examples": examples}
        return values | {"p": wald(table.mean(), errors)[2], "keeps": p_above(table.mean(), -2.0, errors)}

    pilot = Spread.of(pd.DataFrame([row(6, 400, 0.0) for _ in range(60)]))
    assert (pilot.seeds, pilot.examples, pilot.residual) == pytest.approx((2.0, 10.0, 30.0), rel=0.35)
    found = [row(8, 400, true.detectable(8, 400, 3))["p"] <= 0.05 / 3 for _ in range(200)]
    assert 0.68 < np.mean(found) < 0.92
    seeds, examples = needed(true, 2.0, 4, 400, 1)
    assert true.detectable(int(seeds), 400, 1, 1) <= 2.0 < true.detectable(int(seeds) - 1, 400, 1, 1)
    assert 0.68 < np.mean([row(int(seeds), 400, 0.0)["keeps"] <= 0.05 for _ in range(200)]) < 0.95
    assert examples == float("inf") or examples > 400
    assert needed(Spread(0.0, 0.0, 0.0), 1.0, 3, 100, 7) == (2.0, 2.0)
