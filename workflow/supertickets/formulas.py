"""Metrics as functions of predictions and references."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats
from sklearn import metrics as sk

#: How each metric is computed from predictions and references, both of shape (n,).
#: For classification these are class indices, for regression values.
FORMULAS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda predicted, true: sk.accuracy_score(true, predicted),
    "f1": lambda predicted, true: sk.f1_score(true, predicted),
    "matthews": lambda predicted, true: sk.matthews_corrcoef(true, predicted),
    "pearson": lambda predicted, true: stats.pearsonr(predicted, true).statistic,
    "spearman": lambda predicted, true: stats.spearmanr(predicted, true).statistic,
}


def predicted(logits: np.ndarray) -> np.ndarray:
    """Class indices, or values where there is one output, from logits of shape (n, outputs)."""
    return logits[:, 0].astype(np.float64) if logits.shape[1] == 1 else logits.argmax(axis=1).astype(np.float64)
