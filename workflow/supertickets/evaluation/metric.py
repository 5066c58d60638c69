"""The definition of a metric. Each metric is a module, named after it, in :mod:`supertickets.evaluation.metrics`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np


@dataclass(frozen=True)
class Metric:
    """A way to score predictions.

    Attributes:
        plain: computes the score from predictions and references, both of shape (n,): class indices, or values of a
            regression.
        weighted: computes the scores of resamples, shape (resamples,), from predictions and references as above and
            the counts of each example in each resample, shape (resamples, n).
        lowest: the lowest possible score, times 100; the highest is 100.
        unit: unit of a score times 100, for the axis of a figure.
        name: what figures call it; :func:`metric_of` fills in an empty one.
    """

    plain: Callable[[np.ndarray, np.ndarray], float]
    weighted: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    lowest: int = 0
    unit: str = "x 100"
    name: str = ""

    @property
    def label(self) -> str:
        """Name and unit, for the axis of a figure."""
        return f"{self.name} (%)" if self.unit == "%" else f"{self.name} {self.unit}"


def metric_of(name: str) -> Metric:
    """Return the metric of the module with a name; it is called after its module if it has no name of its own."""
    metric: Metric = import_module(f"supertickets.evaluation.metrics.{name}").METRIC
    return replace(metric, name=metric.name or name.replace("_", " "))


def predicted(logits: np.ndarray) -> np.ndarray:
    """Return class indices, or values if there is one output, from logits of shape (n, outputs)."""
    return logits[:, 0].astype(np.float64) if logits.shape[1] == 1 else logits.argmax(axis=1).astype(np.float64)
