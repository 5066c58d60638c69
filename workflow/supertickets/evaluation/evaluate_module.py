"""Metrics of the ``evaluate`` library that need no network."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import sklearn.metrics  # noqa: F401  it looks for torch, so it is imported before torch is hidden

from supertickets.evaluation.metric import metric_of

# evaluate imports torch and the pipelines of transformers where they are installed: four fifths of its import time, and
# unused here. In this process datasets then works without torch.
_hidden = [name for name in ("torch", "transformers") if name not in sys.modules]
_none: dict[str, Any] = dict.fromkeys(_hidden)
try:
    sys.modules.update(_none)  # None stands for "not installed"
    import datasets
    import evaluate
finally:
    for _name in _hidden:
        del sys.modules[_name]


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
