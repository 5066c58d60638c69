"""Bias and variance of the loss over training runs: over seeds, each of which draws its own training examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from supertickets.errors import UserError
from supertickets.evaluation.compare import mean_cut, outcomes_by_ratio, runs_by_ratio
from supertickets.evaluation.predictions import Outcomes
from supertickets.evaluation.results import reported_split, write_csv
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import separator_of


def squared(outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute squared error, squared bias and variance of each example; the estimates are unbiased for few runs too.

    With m and s^2 the mean and the unbiased variance of an output over n runs, bias^2 is (m - target)^2 - s^2 / n and
    the variance is s^2; they add up to the mean squared error exactly. Several outputs are summed: for probabilities
    of classes and targets of 0 and 1 the loss is the Brier score. Sources: Geman, Bienenstock and Doursat, Neural
    Networks and the Bias/Variance Dilemma, Neural Computation 4, 1992; for probabilities Yang et al., Rethinking
    Bias-Variance Trade-off for Generalization of Neural Networks, ICML 2020.

    Args:
        outputs: shape (runs, examples, outputs).
        targets: shape (examples, outputs).

    Returns:
        Loss, bias^2 (which may be negative for single examples) and variance, each of shape (examples,).
    """
    variance = outputs.var(axis=0, ddof=1)
    bias = (outputs.mean(axis=0) - targets) ** 2 - variance / len(outputs)
    loss = ((outputs - targets) ** 2).mean(axis=0)
    return loss.sum(-1), bias.sum(-1), variance.sum(-1)


def zero_one(predicted: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute error, bias and net variance of each example under zero-one loss.

    The main prediction is the class that most runs predict; ties go to the lower class. The bias is 1 where the main
    prediction is wrong, else 0. A run that disagrees with it raises the error where it is right, and lowers the error
    where it is wrong; the net effect is error - bias. Source: Domingos, A Unified Bias-Variance Decomposition for
    Zero-One and Squared Loss, AAAI 2000.

    Args:
        predicted: predicted classes, shape (runs, examples).
        labels: shape (examples,).

    Returns:
        Error, bias and net variance, each of shape (examples,).
    """
    main = stats.mode(predicted, axis=0).mode
    error = (predicted != labels).mean(axis=0)
    bias = (main != labels).astype(float)
    return error, bias, error - bias


def parts_of(outcomes: Outcomes) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Yield loss, bias and variance of each example for every loss of the task; the figure shows the first loss."""
    classes = outcomes.logits.shape[-1]
    if classes == 1:
        yield "squared error", squared(outcomes.logits, outcomes.labels[:, None])
    else:
        targets = np.eye(classes)[outcomes.labels.astype(int)]
        yield "Brier score", squared(special.softmax(outcomes.logits.astype(np.float64), axis=-1), targets)
        yield "zero-one loss", zero_one(outcomes.predicted, outcomes.labels)


def half_width(values: np.ndarray, documents: np.ndarray | None) -> float:
    """Compute the half width of the interval of a mean over examples: a normal one, or Student's over documents.

    Errors of examples of a document are added before they are squared. Source: Liang and Zeger, Longitudinal data
    analysis using generalized linear models, Biometrika 73(1), 1986.

    Args:
        values: shape (examples,).
        documents: the document of each, shape (examples,), or None where every example is a document of its own.

    Returns:
        Not-a-number if there is a single document.
    """
    if documents is None:
        return float(stats.norm.ppf((1 + LEVEL) / 2) * stats.sem(values))
    sums = np.bincount(np.unique(documents, return_inverse=True)[1], values - values.mean())
    if len(sums) < 2:
        return float("nan")
    error = np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()) / len(values)
    return float(stats.t.ppf((1 + LEVEL) / 2, len(sums) - 1) * error)


def decompose_group(results: Path, grid: dict[str, Any], group: dict[str, Any], table: Path) -> None:
    """Write loss, bias and variance of the full model (ratio 0) and of the winning tickets at every ratio.

    Args:
        results: the results folder.
        grid: the axes of the runs (:func:`~supertickets.experiment.grid.grid_of`), and ``separators`` of tasks whose
            examples are of documents (:func:`~supertickets.experiment.settings.separators_of`).
        group: model, task, train_size and the kind ``winning``.
        table: CSV file to write: model, task, train_size, kind, ratio, weight_remaining, split, runs, examples,
            documents (of a task that has them), loss (its name), part (loss, bias, variance), value, and ``half``, the
            half width of the interval of the value (:func:`half_width`).

    Raises:
        UserError: there is only one seed, hence no variance over seeds.
    """
    if len(grid["seeds"]) < 2:
        raise UserError("seeds has one seed: bias and variance are computed over seeds; give at least two")
    runs = runs_by_ratio(grid, group)
    by_split = outcomes_by_ratio(results, runs, separator_of(grid, group["task"]))
    split = reported_split(by_split)
    rows = []
    for ratio, outcomes in by_split[split].items():
        row = {**group, "kind": group["kind"] if ratio else "full", "ratio": ratio}
        row |= {"weight_remaining": mean_cut(results, runs[ratio])["weight_remaining"]}
        row |= {"split": split, "runs": len(outcomes.logits), **outcomes.counts}
        for loss, parts in parts_of(outcomes):
            for part, values in zip(("loss", "bias", "variance"), parts, strict=True):
                half = half_width(values, outcomes.documents)
                rows.append({**row, "loss": loss, "part": part, "value": values.mean(), "half": half})
    write_csv(table, pd.DataFrame(rows))
