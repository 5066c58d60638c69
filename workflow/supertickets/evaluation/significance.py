"""How sure a difference between two models is: over training runs, over examples, and over both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from supertickets.evaluation.metric import metric_of
from supertickets.seeds import generator

#: Coverage of every interval; one minus it is the level of every test.
LEVEL = 0.95
RESAMPLES = 2000
#: Resamples of examples that are scored at once, to bound the memory.
CHUNK = 100


@dataclass(frozen=True)
class Sampled:
    """A model's scores, on the examples and on resamples of them.

    Attributes:
        scores: score of each seed's run, 0 to 100, shape (seeds,).
        resampled: the same on each resample of the examples, shape (seeds, resamples); the same resamples for all
            models that predicted the same examples.
        examples: number of examples.
    """

    scores: np.ndarray
    resampled: np.ndarray
    examples: int


def sample(metric: str, labels: np.ndarray, predicted: np.ndarray, stream: int = 0) -> Sampled:
    """Score runs on examples and on :data:`RESAMPLES` resamples of them (with replacement).

    Args:
        metric: a module of :mod:`supertickets.evaluation.metrics`.
        labels: references, shape (examples,).
        predicted: class indices or values, shape (seeds, examples), or (seeds, draws, examples), whose scores are
            averaged over draws.
        stream: which resamples; those of different sets of examples are to be independent.
    """
    if predicted.ndim == 3:
        draws = [sample(metric, labels, predicted[:, draw], stream) for draw in range(predicted.shape[1])]
        scores, resampled = (np.mean([getattr(one, name) for one in draws], axis=0) for name in ("scores", "resampled"))
        return Sampled(scores, resampled, len(labels))
    random = generator(0, f"resamples of examples {stream}")
    shares = np.full(len(labels), 1 / len(labels))
    parts = []
    for start in range(0, RESAMPLES, CHUNK):
        counts = random.multinomial(len(labels), shares, size=min(CHUNK, RESAMPLES - start)).astype(float)
        parts.append([metric_of(metric).weighted(run, labels, counts) for run in predicted])
    resampled = np.concatenate(parts, axis=1)
    scores = np.array([metric_of(metric).plain(run, labels) for run in predicted])
    return Sampled(100 * scores, 100 * resampled, len(labels))


def difference(full: Sampled, ticket: Sampled) -> dict[str, float]:
    """The mean difference ticket - full over seeds, how sure it is, and over what.

    Returns:
        ``full``, ``ticket``, ``difference``: means over seeds, in points;
        ``seeds_low``, ``seeds_high``, ``p_seeds``: bootstrap interval and permutation test over seeds;
        ``examples_low``, ``examples_high``: paired bootstrap interval over examples, for these very runs;
        ``low``, ``high``, ``p``: interval and test over both (see :func:`wald`), from ``error`` and ``freedom`` (see
        :func:`over_both`) and ``seeds_error``, the standard error over seeds.
    """
    by_seed = ticket.scores - full.scores
    resampled = ticket.resampled - full.resampled
    edges = [100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2]
    seeds_low, seeds_high = seed_interval(by_seed)
    examples_low, examples_high = np.nanpercentile(resampled.mean(axis=0), edges)
    error, freedom = over_both(by_seed, resampled, full.examples)
    seeds_error = stats.sem(by_seed) if len(by_seed) > 1 else float("nan")
    low, high, p = wald(by_seed.mean(), [(error, freedom), (seeds_error, len(by_seed) - 1)])
    values = {
        "full": full.scores.mean(),
        "ticket": ticket.scores.mean(),
        "difference": by_seed.mean(),
        "low": low,
        "high": high,
        "p": p,
        "error": error,
        "freedom": freedom,
        "seeds_error": seeds_error,
        "seeds_low": seeds_low,
        "seeds_high": seeds_high,
        "p_seeds": permutation_p(by_seed),
        "examples_low": examples_low,
        "examples_high": examples_high,
    }
    return {name: float(value) for name, value in values.items()}


def seed_interval(differences: np.ndarray) -> tuple[float, float]:
    """Bootstrap interval of the mean over seeds: the percentile interval, expanded for small samples.

    The plain percentile interval is too short by the factor of a t to a normal quantile and sqrt(1 - 1/n); its level
    is raised accordingly. It never leaves the range of the differences, so fewer than six seeds cannot give 95%
    (at most 1 - 2^(1 - n): 75% for three). Source: Hesterberg, What Teachers Should Know About the Bootstrap, The
    American Statistician 69(4), 2015.

    Args:
        differences: one per seed, shape (seeds,).

    Returns:
        Not-a-number twice where there is one seed.
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
    """Two-sided paired permutation test that the differences are symmetric around zero.

    Exact up to twelve seeds. The smallest p of n seeds is 2^(1 - n): 0.25 for three, 0.03 for six; one tells nothing.
    """
    if len(differences) < 2:
        return float("nan")
    return float(
        stats.permutation_test(
            (differences, np.zeros_like(differences)),
            lambda one, other, axis: np.mean(one - other, axis=axis),
            vectorized=True, permutation_type="samples", n_resamples=2**12, rng=generator(0, "permutations of seeds"),
        ).pvalue
    )  # fmt: skip


def over_both(by_seed: np.ndarray, resampled: np.ndarray, examples: int) -> tuple[float, float]:
    """Standard error of a mean difference for other seeds and other examples alike.

    Seeds and examples are crossed random factors: every seed's run is scored on the same examples, so a test over
    seeds alone takes the luck of the examples for a difference. With a the variance of the mean over seeds, b that
    over examples (bootstrap), and c that of what is left, which both count, the variance is a + b - c, at least a and
    at least b, with Satterthwaite's degrees of freedom. Source: the quasi-F of Clark, The Language-as-Fixed-Effect
    Fallacy, Journal of Verbal Learning and Verbal Behavior 12, 1973.

    Args:
        by_seed: difference of each seed, shape (seeds,).
        resampled: the same on resamples of the examples, shape (seeds, resamples).
        examples: number of examples.

    Returns:
        Standard error in points, and degrees of freedom; not-a-number where there is one seed.
    """
    seeds = len(by_seed)
    if seeds < 2:
        return float("nan"), float("nan")
    a = by_seed.var(ddof=1) / seeds
    b = np.nanvar(resampled.mean(axis=0), ddof=1)
    c = max((np.nanvar(resampled, axis=1, ddof=1).mean() - b) / (seeds - 1), 0.0)
    variance = max(a + b - c, a, b)
    if variance == 0:
        return 0.0, float(seeds - 1)
    freedom = variance**2 / (a**2 / (seeds - 1) + b**2 / (examples - 1) + c**2 / ((seeds - 1) * (examples - 1)))
    return float(np.sqrt(variance)), float(freedom)


def wald(mean: float, errors: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Student's interval and two-sided test of a mean, the more careful one of several.

    With few seeds Satterthwaite's degrees of freedom are themselves a guess, and too many where seeds happen to agree:
    the test over both would reject several times too often at the small levels that Holm's correction asks for. So a
    difference must be significant over seeds alone as well, and the interval is the longer one.

    Args:
        mean: the estimate.
        errors: standard error and degrees of freedom of each way.

    Returns:
        Low and high end of the interval, and p; not-a-number where an error is, and where all are zero: outputs that
        never differ are no measure of how much they might. No difference at all has a p of one.
    """
    if not np.isfinite([mean, *(error for error, _ in errors)]).all():
        return (float("nan"),) * 3
    if not any(error > 0 for error, _ in errors):
        return float("nan"), float("nan"), 1.0 if mean == 0 else float("nan")
    half = max(stats.t.ppf((1 + LEVEL) / 2, freedom) * error for error, freedom in errors)
    p = max(2 * stats.t.sf(abs(mean) / error, freedom) for error, freedom in errors if error > 0)
    return float(mean - half), float(mean + half), float(p)


def average(
    means: np.ndarray, errors: np.ndarray, freedoms: np.ndarray, seeds_errors: np.ndarray, seeds: int
) -> dict[str, float]:
    """The average of the mean differences on several tasks, with interval and test.

    The tasks are the very ones that the average is of, and independent; degrees of freedom are Satterthwaite's.

    Args:
        means, errors, freedoms, seeds_errors: of each task, shape (tasks,).
        seeds: number of seeds.

    Returns:
        ``difference``, ``low``, ``high`` and ``p``.
    """

    def combined(parts: np.ndarray, freedoms: np.ndarray) -> tuple[float, float]:
        variances = (parts / len(parts)) ** 2
        total = variances.sum()
        return np.sqrt(total), total**2 / (variances**2 / freedoms).sum() if total > 0 else 1.0

    over_seeds = combined(seeds_errors, np.full(len(means), seeds - 1.0))
    low, high, p = wald(means.mean(), [combined(errors, freedoms), over_seeds])
    return {"difference": float(means.mean()), "low": low, "high": high, "p": p}


def merged(parts: list[Sampled]) -> Sampled:
    """Scores on several sets of examples, averaged by their sizes."""
    sizes = [part.examples for part in parts]
    scores, resampled = (
        np.average([getattr(part, name) for part in parts], axis=0, weights=sizes) for name in ("scores", "resampled")
    )
    return Sampled(scores, resampled, sum(sizes))


def holm(p: np.ndarray) -> np.ndarray:
    """P values corrected for their number by Holm's method; not-a-number stays and does not count."""
    corrected = np.full(len(p), np.nan)
    known = np.isfinite(p)
    if known.any():
        corrected[known] = multipletests(p[known], method="holm")[1]
    return corrected


def mean_intervals(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean and half width of Student's t interval for it, per group of seeds.

    Args:
        scores: column ``value`` holds one score per seed in every group.
        by: columns that make the groups.

    Returns:
        Indexed by ``by``: ``mean``, ``half`` (0 where there is one seed and so no interval) and ``seeds``.
    """
    table = scores.groupby(by)["value"].agg(mean="mean", sem="sem", seeds="count")
    half = stats.t.ppf((1 + LEVEL) / 2, table["seeds"] - 1) * table["sem"]
    return table.assign(half=half.fillna(0.0))[["mean", "half", "seeds"]]
