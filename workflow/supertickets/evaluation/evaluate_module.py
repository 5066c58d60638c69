"""Metrics of the ``evaluate`` library that need no network."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from supertickets.evaluation.metric import metric_of


class Score(evaluate.Metric):
    """One metric as an ``evaluate`` metric.

    ``evaluate.load`` queries the hub even for metrics that are installed; an instance of this class does not.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        super().__init__(keep_in_memory=True)

    def _info(self) -> evaluate.MetricInfo:
        values = datasets.Value("float64")
        return evaluate.MetricInfo(
            description=f"{self.metric}, times 100",
            citation="",
            inputs_description="predictions and references: class indices, or values of a regression",
            features=datasets.Features({"predictions": values, "references": values}),
        )

    def _compute(self, predictions: Any, references: Any, **unused: Any) -> dict[str, float]:
        value = metric_of(self.metric).plain(np.asarray(predictions), np.asarray(references))
        return {self.metric: 100 * float(value)}
