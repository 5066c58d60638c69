"""Scores of predictions, as modules of ``evaluate`` that need no network."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import sklearn.metrics  # noqa: F401  both look at torch, so they come before it is hidden

from supertickets.evaluation.metric import metric_of

# evaluate imports torch and transformers' pipelines where it finds them: four fifths of its time, for nothing here.
# datasets does without torch from then on in this process.
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

    ``evaluate.load`` asks the hub even for what it has; an instance made here does not.
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
