"""Choose the super ticket of a model, task and size, and estimate its gain without the bias of the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from supertickets.errors import DamagedError, UserError
from supertickets.evaluation.columns import CUT
from supertickets.evaluation.compare import mean_cut, outcomes_by_ratio, runs_by_ratio, sampled
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.predictions import Outcomes, predictions_file
from supertickets.evaluation.resampling import RESAMPLES, Sampled, merged
from supertickets.evaluation.results import BY_OTHERS, reported_split, write_csv
from supertickets.evaluation.significance import LEVEL, difference
from supertickets.experiment.grid import by_seed, separator_of, with_full
from supertickets.experiment.parts import FURTHER
from supertickets.seeds import generator

#: Columns that identify a row of the table of selections.
EXPERIMENT = ["model", "task", "train_size"]
#: The ways to report a chosen ticket. ``other_seeds``, which counts: for each seed the ticket that the other seeds
#: chose on validation, reported on test, or half by half on validation. The others have the same runs choose and
#: report: ``same_split`` on validation, as published, ``other_half`` on the halves of validation that did not choose,
#: and ``other_split`` on test.
WAYS = ("other_seeds", "same_split", "other_half", "other_split")
#: Those of a further part, which is other examples than those that choose, as test is.
OF_FURTHER = ("other_seeds", "other_split")
#: The smallest ratio that a ticket can have.
LEAST = 0.01
#: The way that holds out both training runs and examples.
HONEST = WAYS[0]


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


def select_ticket(results: Path, grid: dict[str, Any], group: dict[str, Any], metric: str, table: Path) -> None:
    """Choose the winning ticket with the best mean validation score over seeds and write its gain, in four ways.

    The grid says under ``selection`` if the full model can be chosen too, or each seed has a ratio of its own.

    Args:
        results: the results folder.
        grid: the axes of the runs (:func:`~supertickets.experiment.grid.grid_of`), and ``separators`` of tasks whose
            examples are of documents (:func:`~supertickets.experiment.settings.separators_of`).
        group: model, task, train_size and the kind ``winning``.
        metric: the task's first metric, which chooses the ticket.
        table: CSV file to write, with one row for the reported split, and one for each further part of
            :data:`~supertickets.experiment.parts.FURTHER`: model, task, train_size, metric, split, seeds,
            documents (in it, of a task that has them), ratio, ratios (of each seed, where each has its own, which the
            next three are then of: :func:`~supertickets.evaluation.results.ratio_of_seed`), heads_pruned, ffn_pruned,
            weight_remaining (missing if no ratio can be chosen), lightest_by_others and heaviest_by_others (what the
            tickets that other seeds chose weigh), the columns of :func:`peak`, and the columns of
            :func:`~supertickets.evaluation.significance.difference` for each of :data:`WAYS`, for example
            ``difference_other_seeds``; without a test split those of ``other_split`` are omitted. Of a further part,
            which has no say in the choice, there are the ways that report it as they report test.

    Raises:
        UserError: predictions are damaged, or have too few validation examples to choose a ticket.
    """
    runs = runs_by_ratio(grid, group)
    seeds = len(grid["seeds"])
    by_split = outcomes_by_ratio(results, runs, separator_of(grid, group["task"]))
    require_validation(results, runs[0.0][0], by_split)
    validation = by_split["validation"]
    count, outputs = validation[0.0].logits.shape[1:]
    if count < (fewest := 4 if outputs == 1 else 2):
        problem = f"validation has {count} examples; a ticket is chosen on each half: give {fewest} at least"
        raise UserError(f"{predictions_file(results, runs[0.0][0])}: {problem}, or delete it to have it made again")
    least = least_of(grid)
    scores = scores_of_tickets(metric, validation, np.arange(count), least)
    ratio = choose(scores)
    chosen: dict[str, Any] = {"ratio": ratio}
    ratios = [ratio] * seeds
    if by_seed(grid):
        ratios = choose_own(scores)
        chosen |= {"ratios": " ".join(f"{name}:{each:g}" for name, each in zip(grid["seeds"], ratios, strict=True))}
    defined = all(each == each for each in ratios)
    tickets = [runs[each][place] for place, each in enumerate(ratios)] if defined else []
    chosen |= mean_cut(results, tickets) if tickets else dict.fromkeys(CUT, float("nan"))
    weights = {each: mean_cut(results, runs[each])["weight_remaining"] for each in runs}
    rows = []
    for split in (reported_split(by_split), *(part for part in FURTHER if part in by_split)):
        row = {key: group[key] for key in EXPERIMENT} | {"metric": metric, "split": split, "seeds": seeds}
        row |= {name: count for name, count in by_split[split][0.0].counts.items() if name == "documents"} | chosen
        row |= _gains(metric, by_split, split, least, by_seed(grid), weights)
        rows.append(row)
    write_csv(table, pd.DataFrame(rows))


def _gains(
    metric: str,
    by_split: Mapping[str, Mapping[float, Outcomes]],
    split: str,
    least: float,
    own: bool,
    weights: Mapping[float, float],
) -> dict[str, float]:
    """The columns of :func:`select_ticket` that differ between the reported split and a further part, ``split``.

    Args:
        metric, by_split, least, own: as of :func:`reports`.
        split: the one that the columns are of.
        weights: weight remaining by ratio.
    """
    ways: Sequence[str] = WAYS
    if split in FURTHER:
        by_split, ways = {"validation": by_split["validation"], "test": by_split[split]}, OF_FURTHER
        split = "test"
    _, pairs, by_others = reports(metric, by_split, ways, least, own)
    chosen = [weights[ratio] for ratio in by_others if ratio == ratio]
    row = dict(zip(BY_OTHERS, (min(chosen), max(chosen)) if chosen else (float("nan"),) * 2, strict=True))
    row |= peak({ratio: sampled(metric, runs, len(runs.logits)).scores for ratio, runs in by_split[split].items()})
    for way, (full, ticket) in pairs.items():
        values = difference(full, ticket, error_of_choice(metric, by_split, least) if way == HONEST else 0.0)
        row |= {f"{name}_{way}": value for name, value in values.items()}
    return row
