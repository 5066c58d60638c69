"""Significance of differences between two models: over training runs, over examples, and over both."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from supertickets.evaluation.columns import documents_in
from supertickets.evaluation.resampling import RESAMPLES, Sampled
from supertickets.seeds import generator

Floats = TypeVar("Floats", float, np.ndarray)
#: Coverage of every interval; 1 - LEVEL is the level of every test.
LEVEL = 0.95
#: What :func:`difference` returns.
NAMES = (
    "full", "ticket", "difference", "low", "high", "p", "error", "freedom", "seeds_error", "seeds_low", "seeds_high",
    "p_seeds", "examples_low", "examples_high", "variance_seeds", "variance_examples", "variance_residual",
)  # fmt: skip


def difference(full: Sampled, ticket: Sampled, choice_error: float = 0.0) -> dict[str, float]:
    """Compute the mean difference ticket - full over seeds, with its intervals and tests.

    Args:
        full, ticket: scores of the same seeds.
        choice_error: standard error over seeds of a mean whose tickets depend on all seeds; where it is larger than
            that of independent seeds, it counts.

    Returns:
        ``full``, ``ticket``, ``difference``: means over seeds, in points;
        ``seeds_low``, ``seeds_high``, ``p_seeds``: bootstrap interval and permutation test over seeds;
        ``examples_low``, ``examples_high``: paired bootstrap interval over examples, for fixed runs;
        ``low``, ``high``, ``p``: interval and test over both (see :func:`wald`), from ``error`` and ``freedom`` (see
        :func:`over_both`) and ``seeds_error``, the standard error over seeds;
        ``variance_seeds``, ``variance_examples``, ``variance_residual``: see :func:`variances`.
        Intervals end where the metric does. All are not-a-number if the score of a run is undefined; what is not over
        seeds alone, if there is a single document.
    """
    by_seed = ticket.scores - full.scores
    resampled = ticket.resampled - full.resampled
    if not np.isfinite(by_seed).all():
        return dict.fromkeys(NAMES, float("nan"))
    edges = [100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2]
    seeds_low, seeds_high = seed_interval(by_seed)
    examples_low = examples_high = float("nan")
    parts = (float("nan"),) * 3
    if np.isfinite(resampled).any():
        examples_low, examples_high = np.nanpercentile(resampled.mean(axis=0), edges)
        a, b, c = variances(by_seed, resampled)
        parts = (max(a, choice_error**2), b, c) if a == a else (a, b, c)
    error, freedom = over_both(parts, len(by_seed), full.documents)
    seeds_error = max(stats.sem(by_seed), choice_error) if len(by_seed) > 1 else float("nan")
    low, high, p = wald(by_seed.mean(), [(error, freedom), (seeds_error, len(by_seed) - 1)])
    most = 100 - full.lowest
    low, high, examples_low, examples_high = np.clip([low, high, examples_low, examples_high], -most, most)
    means = (full.scores.mean(), ticket.scores.mean(), by_seed.mean())
    values = (*means, low, high, p, error, freedom, seeds_error, seeds_low, seeds_high, permutation_p(by_seed))
    return dict(zip(NAMES, map(float, (*values, examples_low, examples_high, *parts)), strict=True))


def percentile_interval(resampled: np.ndarray) -> tuple[float, float]:
    """The bootstrap interval of scores on resamples, shape (resamples,); not-a-number where all are undefined."""
    if not np.isfinite(resampled).any():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(resampled, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def seed_interval(differences: np.ndarray) -> tuple[float, float]:
    """Compute a bootstrap interval of the mean over seeds: the percentile interval, expanded for small samples.

    The plain percentile interval is too short for two reasons: it has a normal quantile in place of a t quantile, and
    a factor sqrt(1 - 1/n). Its level is raised accordingly. The interval stays within the range of the differences,
    so fewer than six seeds cannot give 95% (at most 1 - 2^(1 - n): 75% for three). Source: Hesterberg, What Teachers
    Should Know About the Bootstrap, The American Statistician 69(4), 2015.

    Args:
        differences: one per seed, shape (seeds,).

    Returns:
        Low and high end; both are not-a-number if there is only one seed.
    """
    count = len(differences)
    if count < 2:
        return float("nan"), float("nan")
    tail = stats.norm.sf(np.sqrt(count / (count - 1)) * stats.t.ppf((1 + LEVEL) / 2, count - 1))
    interval = stats.bootstrap(
        (differences,), np.mean, confidence_level=1 - 2 * tail, n_resamples=RESAMPLES, method="percentile",
        rng=generator(0, "resamples of seeds"),
    ).confidence_interval  # fmt: skip
    return float(interval.low), float(interval.high)


def permutation_p(differences: np.ndarray) -> float:
    """Compute p of the two-sided paired permutation test that the differences are symmetric around zero.

    The test is exact up to twelve seeds. The smallest p of n seeds is 2^(1 - n): 0.25 for three, 0.03 for six. One
    seed gives not-a-number.
    """
    if len(differences) < 2:
        return float("nan")
    return float(
        stats.permutation_test(
            (differences, np.zeros_like(differences)),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            vectorized=True, permutation_type="samples", n_resamples=2**12, rng=generator(0, "permutations of seeds"),
        ).pvalue
    )  # fmt: skip


def variances(by_seed: np.ndarray, resampled: np.ndarray) -> tuple[float, float, float]:
    """Estimate the variances of a mean difference: over seeds, over examples, and the residual, which both include.

    Args:
        by_seed: differences of the seeds, shape (seeds,).
        resampled: differences on resamples of the examples, shape (seeds, resamples).

    Returns:
        In squared points; not-a-number if there is only one seed.
    """
    seeds = len(by_seed)
    if seeds < 2:
        return (float("nan"),) * 3
    over_examples = np.nanvar(resampled.mean(axis=0), ddof=1)
    residual = max((np.nanvar(resampled, axis=1, ddof=1).mean() - over_examples) / (seeds - 1), 0.0)
    return float(by_seed.var(ddof=1) / seeds), float(over_examples), float(residual)


def over_both(parts: tuple[Floats, Floats, Floats], seeds: int, documents: int) -> tuple[Floats, Floats]:
    """Compute the standard error of a mean difference over both seeds and examples.

    Seeds and examples are crossed random factors: the runs of all seeds are scored on the same examples, so a test
    over seeds alone mistakes the luck of the examples for a difference. Let a, b and c be the :func:`variances` over
    seeds, over examples, and the residual. The variance over both is a + b - c, at least a and at least b, with
    Satterthwaite's degrees of freedom. Source: the quasi-F of Clark, The Language-as-Fixed-Effect Fallacy, Journal of
    Verbal Learning and Verbal Behavior 12, 1973.

    Args:
        parts: a, b and c; numbers, or arrays of one shape.
        seeds, documents: numbers of them; of examples where each is a document of its own.

    Returns:
        Standard error in points, and degrees of freedom; both are not-a-number if the variances are.
    """
    a, b, c = map(np.asarray, parts)
    variance = np.maximum(np.maximum(a + b - c, a), b)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = a**2 / (seeds - 1) + b**2 / (documents - 1) + c**2 / ((seeds - 1) * (documents - 1))
        freedom: Any = np.where(variance == 0, seeds - 1.0, variance**2 / total)
    return np.sqrt(variance)[()], freedom[()]


def wald(mean: float, errors: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Compute Student's interval and two-sided test of a mean, the most conservative of several.

    With few seeds Satterthwaite's degrees of freedom are themselves an estimate, too high where the seeds agree by
    chance: the test over both seeds and examples would reject several times too often at the small levels that Holm's
    correction requires. Therefore a difference must also be significant over seeds alone, and the interval is the
    longer one.

    Args:
        mean: the estimate.
        errors: pairs of a standard error and its degrees of freedom.

    Returns:
        Low and high end of the interval, and p. All three are not-a-number if a standard error is, and if all of them
        are zero: outputs that never differ give no estimate of their spread. But if the mean is 0 as well, p is 1.
    """
    if not np.isfinite([mean, *(error for error, _ in errors)]).all():
        return (float("nan"),) * 3
    if not any(error > 0 for error, _ in errors):
        return float("nan"), float("nan"), 1.0 if mean == 0 else float("nan")
    errors = _without_ties(errors)
    half = max(stats.t.ppf((1 + LEVEL) / 2, freedom) * error for error, freedom in errors)
    p = max(2 * stats.t.sf(abs(mean) / error, freedom) for error, freedom in errors)
    return float(mean - half), float(mean + half), float(p)


def _without_ties(errors: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Replace an error of 0, where seeds have the same difference by chance, by the largest one.

    Its few degrees of freedom stay.
    """
    largest = max(error for error, _ in errors)
    return [(error or largest, freedom) for error, freedom in errors]


def p_above(mean: float, bound: float, errors: list[tuple[float, float]], examples: float) -> float:
    """Compute p of the one-sided test that a mean is not above a bound, the most conservative of several.

    Where the models never differ there is no spread. If in truth a share of so many points of all examples, or
    documents, made the difference, none of them would be among n with probability (1 - share)^n at most: the exact test
    behind the rule of three of Hanley and Lippman-Hand, If Nothing Goes Wrong, Is Everything All Right?, JAMA 249(13),
    1983.

    Args:
        mean, bound: the estimate, and what it is to exceed, in points.
        errors: pairs of a standard error and its degrees of freedom, as of :func:`wald`.
        examples: number of examples; of documents where there are any.

    Returns:
        Not-a-number if the mean or an error is.
    """
    if not np.isfinite([mean, *(error for error, _ in errors)]).all():
        return float("nan")
    if not any(error > 0 for error, _ in errors):  # the models never differ
        return float(np.clip(1 - (mean - bound) / 100, 0, 1) ** examples)
    return float(max(stats.t.sf((mean - bound) / error, freedom) for error, freedom in _without_ties(errors)))


def average(
    means: np.ndarray, errors: np.ndarray, freedoms: np.ndarray, seeds_errors: np.ndarray, seeds: int, lowest: float
) -> dict[str, float]:
    """Average the mean differences of multiple tasks, with interval and test.

    The tasks are fixed, not a sample of tasks, and independent of each other. The degrees of freedom are
    Satterthwaite's.

    Args:
        means, errors, freedoms, seeds_errors: ``difference``, ``error``, ``freedom`` and ``seeds_error`` of each task
            (see :func:`difference`), shape (tasks,).
        seeds: number of seeds.
        lowest: mean over tasks of the lowest scores of their metrics, in points.

    Returns:
        ``difference``, ``low``, ``high`` and ``p``. The interval ends where such an average does.
    """

    def combined(parts: np.ndarray, freedoms: np.ndarray) -> tuple[float, float]:
        variances = (parts / len(parts)) ** 2
        total = variances.sum()
        return np.sqrt(total), total**2 / (variances**2 / freedoms).sum() if total > 0 else 1.0

    over_seeds = combined(seeds_errors, np.full(len(means), seeds - 1.0))
    low, high, p = wald(means.mean(), [combined(errors, freedoms), over_seeds])
    low, high = map(float, np.clip([low, high], lowest - 100, 100 - lowest))
    return {"difference": float(means.mean()), "low": low, "high": high, "p": p}


def holm(p: np.ndarray) -> np.ndarray:
    """Correct p values for their number by Holm's method; not-a-number stays so and does not count."""
    corrected = np.full(len(p), np.nan)
    known = np.isfinite(p)
    if known.any():
        corrected[known] = multipletests(p[known], method="holm")[1]
    return corrected


def holm_of_tests(table: pd.DataFrame, p: str, family: list[str], test: list[str]) -> pd.Series:
    """Correct p values by Holm's method within each family of tests, where a test has the same p in several rows.

    Args:
        table: rows with ``p`` and the other columns.
        p: column of the p values.
        family, test: columns that tell families apart, and the tests of a family.

    Returns:
        The corrected p of each row.
    """
    tests = table.drop_duplicates([*family, *test])[[*family, *test, p]]
    corrected = tests.groupby(family, sort=False)[p].transform(lambda values: holm(values.to_numpy()))
    merged = table[[*family, *test]].merge(tests.assign(corrected=corrected), how="left", on=[*family, *test])
    return merged["corrected"].set_axis(table.index)


def holm_above(rows: pd.DataFrame, bound: float, sign: int = 1) -> np.ndarray:
    """Test one-sided, for each row, that a difference is not above a bound, corrected by Holm's method over the rows.

    Args:
        rows: ``difference``, ``error``, ``freedom`` and ``seeds_error`` of :func:`difference`, ``seeds``, ``examples``
            and, of tasks that have them, ``documents``.
        bound: in points.
        sign: -1 to test the differences the other way round, full - ticket.

    Returns:
        p of each row, 1 where it cannot be tested.
    """
    columns = rows[["difference", "error", "freedom", "seeds_error", "seeds"]].itertuples(index=False)
    p = [
        p_above(sign * mean, bound, [(error, freedom), (over_seeds, seeds - 1)], count)
        for (mean, error, freedom, over_seeds, seeds), count in zip(columns, documents_in(rows), strict=True)
    ]
    return holm(np.nan_to_num(p, nan=1.0))


def mean_of(values: pd.Series) -> float:
    """Return the mean, which is missing if a value is: an undefined score is not left out."""
    return float(values.mean(skipna=False))


def mean_intervals(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Compute the mean over seeds and the half width of its Student's t interval, for each group of rows.

    Args:
        scores: table whose column ``value`` has one score per seed in every group.
        by: columns that define the groups.

    Returns:
        Table indexed by ``by``: ``mean``, missing if a score is undefined; ``half``, 0 with one seed or two, whose
        interval would be too long to be shown; and ``seeds``.
    """
    table = scores.groupby(by)["value"].agg(mean="mean", sem="sem", seeds="size", defined="count")
    table["mean"] = table["mean"].where(table["defined"] == table["seeds"])
    half = stats.t.ppf((1 + LEVEL) / 2, table["seeds"] - 1) * table["sem"]
    return table.assign(half=half.where(table["seeds"] > 2, 0.0))[["mean", "half", "seeds"]]


def bounded(means: pd.DataFrame, lowest: float | pd.Series, gains: bool = False) -> tuple[pd.Series, pd.Series]:
    """Compute the ends of Student's t intervals, which are not beyond what there can be.

    Args:
        means: table of :func:`mean_intervals`.
        lowest: the lowest score of the metric, in points; the highest is 100. One for all rows, or by row.
        gains: whether the means are of differences between two scores.

    Returns:
        Low and high ends, missing where there is no interval.
    """
    half = means["half"].where(means["half"] > 0)
    low, high = means["mean"] - half, means["mean"] + half
    return low.clip(lower=lowest - 100 if gains else lowest), high.clip(upper=100 - lowest if gains else 100)
