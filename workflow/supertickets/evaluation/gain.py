"""What chosen tickets gain over the full models, and the error of a gain whose tickets other seeds chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from supertickets.evaluation.choice import LEAST, choose, choose_by_others, choose_own, halves, scores_of_tickets
from supertickets.evaluation.compare import sampled
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.predictions import Outcomes
from supertickets.evaluation.resampling import RESAMPLES, Sampled, merged
from supertickets.seeds import generator

#: The ways to report a chosen ticket. ``other_seeds``, which counts: for each seed the ticket that the other seeds
#: chose on validation, reported on test, or half by half on validation. The others have the same runs choose and
#: report: ``same_split`` on validation, as published, ``other_half`` on the halves of validation that did not choose,
#: and ``other_split`` on test.
WAYS = ("other_seeds", "same_split", "other_half", "other_split")
#: The ways for MNLI's mismatched part, whose examples choose nothing, like those of test.
OF_FURTHER = ("other_seeds", "other_split")
#: The way that holds out both training runs and examples.
HONEST = WAYS[0]


def full_and_tickets(
    metric: str, outcomes: Mapping[float, Outcomes], ratios: Sequence[float], stream: int = 0
) -> tuple[Sampled, Sampled]:
    """Score the full models, and each seed's ticket of its ratio.

    Args:
        metric: the metric that chooses the ticket.
        outcomes: outcomes by ratio, with the full models at 0.
        ratios: of each seed; not-a-number for a seed that no ticket was chosen for, whose score is then undefined.
        stream: number of the random stream of the resamples.
    """
    seeds = len(ratios)
    full = sampled(metric, outcomes[0.0], seeds, stream)
    by_ratio = {ratio: sampled(metric, outcomes[ratio], seeds, stream) for ratio in {*ratios} if ratio == ratio}
    scores, resampled = np.full_like(full.scores, np.nan), np.full_like(full.resampled, np.nan)
    for seed, ratio in enumerate(ratios):
        if ratio in by_ratio:
            scores[seed], resampled[seed] = by_ratio[ratio].scores[seed], by_ratio[ratio].resampled[seed]
    return full, replace(full, scores=scores, resampled=resampled)


def by_halves(
    metric: str, outcomes: Mapping[float, Outcomes], choices: Sequence[Sequence[float]]
) -> tuple[Sampled, Sampled]:
    """Score full models and tickets on the halves of validation.

    Each half is scored by itself, for the full models too, and the scores are averaged: the outputs of tickets of two
    ratios have no common scale, so no correlation can be computed over both halves. Where validation is a single
    document, the scores of the tickets are undefined.

    Args:
        metric: the metric that chooses the ticket.
        outcomes: outcomes by ratio, with the full models at 0.
        choices: for each half, the ratio of each seed.
    """
    rows_of_halves = halves(len(outcomes[0.0].labels), outcomes[0.0].documents)
    if len(rows_of_halves) < 2:
        return full_and_tickets(metric, outcomes, [float("nan")] * len(choices[0]))
    parts = []
    for stream, (rows, ratios) in enumerate(zip(rows_of_halves, choices, strict=True)):
        of_half = {ratio: runs.of(rows) for ratio, runs in outcomes.items()}
        parts.append(full_and_tickets(metric, of_half, ratios, stream))
    full, ticket = zip(*parts, strict=True)
    return merged(list(full)), merged(list(ticket))


def reports(
    metric: str,
    by_split: Mapping[str, Mapping[float, Outcomes]],
    ways: Sequence[str] = WAYS,
    least: float = LEAST,
    own: bool = False,
) -> tuple[float, dict[str, Any], list[float]]:
    """Choose the super ticket on validation, and report it in several ways; ``other_split`` needs a test split.

    Args:
        metric: the metric that chooses the ticket.
        by_split: outcomes by split and ratio, with the full models at 0.
        ways: of :data:`WAYS`.
        least: the smallest ratio that can be chosen; 0 if the full model can.
        own: whether the runs that choose and report choose for each seed alone.

    Returns:
        Its ratio, which is not-a-number if every ratio has an undefined score, by way the scores of the full models and
        of the tickets, and the ratios that other seeds chose, of each seed.
    """
    validation, test = by_split["validation"], by_split.get("test")
    seeds, examples = validation[0.0].logits.shape[:2]
    scores = scores_of_tickets(metric, validation, np.arange(examples), least)
    ratio = choose(scores)

    def chosen(scores: Mapping[float, np.ndarray]) -> list[float]:
        return choose_own(scores) if own else [choose(scores)] * seeds

    others = reversed(halves(examples, validation[0.0].documents))
    of_halves = [scores_of_tickets(metric, validation, rows, least) for rows in others]
    pairs = {}
    by_others = [choose_by_others(each) for each in ([scores] if test else of_halves)]
    if "other_seeds" in ways and test:
        pairs["other_seeds"] = full_and_tickets(metric, test, by_others[0])
    elif "other_seeds" in ways:
        pairs["other_seeds"] = by_halves(metric, validation, by_others)
    if "same_split" in ways:
        pairs["same_split"] = full_and_tickets(metric, validation, chosen(scores))
    if "other_half" in ways:
        pairs["other_half"] = by_halves(metric, validation, list(map(chosen, of_halves)))
    if "other_split" in ways and test:
        pairs["other_split"] = full_and_tickets(metric, test, chosen(scores))
    return ratio, pairs, [ratio for choices in by_others for ratio in choices]


def error_of_choice(metric: str, by_split: Mapping[str, Mapping[float, Outcomes]], least: float = LEAST) -> float:
    """Compute the :func:`choice_error` of the honest gain, over the ratios whose scores are all defined.

    Args:
        metric, by_split, least: as of :func:`reports`.
    """
    validation = by_split["validation"]
    examples = len(validation[0.0].labels)
    reported, rows = by_split.get("test", validation), [np.arange(examples)]
    reporting = [np.arange(len(reported[0.0].labels))]
    if "test" not in by_split:
        reporting = halves(examples, validation[0.0].documents)
        rows = reporting[::-1]
    parts = []
    for choosing, of in zip(rows, reporting, strict=True):
        chosen_by = scores_of_tickets(metric, validation, choosing, least)
        tickets = scores_of_tickets(metric, reported, of, least)
        full = np.array([metric_of(metric).plain(run[of], reported[0.0].labels[of]) for run in reported[0.0].predicted])
        values = np.array([[chosen_by[ratio], 100 * (tickets[ratio] - full)] for ratio in tickets])
        values = values[np.isfinite(values).all(axis=(1, 2))]
        parts.append((*values.transpose(1, 2, 0), len(of)))
    return choice_error(parts)


def choice_error(parts: Sequence[tuple[np.ndarray, np.ndarray, int]]) -> float:
    """Compute the standard error over seeds of the mean gain of tickets that the other seeds chose.

    The gains of the seeds are not independent: each seed has a say in what the others are given. Where several ratios
    are about as good, their own spread makes the error too small by a quarter (six seeds) to a half (twenty). So seeds
    are drawn again, with their scores at all ratios, and choose again; the error is the spread of what comes out. They
    are drawn by the multiplier bootstrap, because a seed that is drawn twice would choose for itself. Source:
    Chernozhukov, Chetverikov and Kato, Gaussian Approximations and Multiplier Bootstrap for Maxima of Sums of
    High-Dimensional Random Vectors, The Annals of Statistics 41(6), 2013.

    Args:
        parts: of each set of examples that is reported, the scores that choose and the gains, in points, both of shape
            (seeds, ratios), and the number of examples.

    Returns:
        In points; 0 for a single seed or if there is no ratio.
    """
    seeds = len(parts[0][0])
    if seeds < 2 or not all(gains.size for _, gains, _ in parts):
        return 0.0
    weights = generator(0, "choice by other seeds").normal(size=(RESAMPLES, seeds, seeds)) / np.sqrt(seeds - 1)
    means = []
    for choosing, gains, _ in parts:
        found = []
        for values in (choosing, gains):
            centre = values.mean(axis=0)
            found.append(centre + weights @ (values - centre))
        by_others = found[0].sum(axis=1, keepdims=True) - found[0]
        chosen = by_others.argmax(axis=2)[..., None]
        means.append(np.take_along_axis(found[1], chosen, axis=2).mean(axis=(1, 2)))
    return float(np.average(means, axis=0, weights=[count for *_, count in parts]).std(ddof=1))
