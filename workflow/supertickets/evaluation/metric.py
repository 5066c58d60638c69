"""What a metric is. Each is a module of its name in :mod:`supertickets.evaluation.metrics`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np


@dataclass(frozen=True)
class Metric:
    """How predictions are scored.

    Attributes:
        plain: the score from predictions and references, both of shape (n,): class indices, or values of a regression.
        weighted: the scores of resamples, from predictions and references as above and how often each example is in
            each resample, shape (resamples, n); shape (resamples,).
        lowest: the lowest score there can be, times 100; the highest is 100.
        unit: unit of a score times 100, for the axis of a figure.
    """

    plain: Callable[[np.ndarray, np.ndarray], float]
    weighted: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    lowest: int = 0
    unit: str = "x 100"


def metric_of(name: str) -> Metric:
    """A metric by its name."""
    return import_module(f"supertickets.evaluation.metrics.{name}").METRIC


def predicted(logits: np.ndarray) -> np.ndarray:
    """Class indices, or values where there is one output, from logits of shape (n, outputs)."""
    return logits[:, 0].astype(np.float64) if logits.shape[1] == 1 else logits.argmax(axis=1).astype(np.float64)
