"""Metrics as functions of predictions and references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics as sk


def _correlation(correlate: Callable[..., Any], predicted: np.ndarray, true: np.ndarray) -> float:
    """A correlation; not-a-number of one example, as of constant ones."""
    return correlate(predicted, true).statistic if len(true) > 1 else float("nan")


#: How each metric is computed from predictions and references, both of shape (n,).
#: For classification these are class indices, for regression values.
FORMULAS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda predicted, true: sk.accuracy_score(true, predicted),
    "f1": lambda predicted, true: sk.f1_score(true, predicted),
    "matthews": lambda predicted, true: sk.matthews_corrcoef(true, predicted),
    "pearson": lambda predicted, true: _correlation(stats.pearsonr, predicted, true),
    "spearman": lambda predicted, true: _correlation(stats.spearmanr, predicted, true),
}


def predicted(logits: np.ndarray) -> np.ndarray:
    """Class indices, or values where there is one output, from logits of shape (n, outputs)."""
    return logits[:, 0].astype(np.float64) if logits.shape[1] == 1 else logits.argmax(axis=1).astype(np.float64)
