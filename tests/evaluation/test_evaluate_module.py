"""Metrics: computed by the evaluate library, and named on axes."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from conftest import names_in

from supertickets.evaluation.evaluate_module import Score
from supertickets.evaluation.metric import Metric, metric_of


def test_a_metric_is_computed_by_evaluate_without_the_hub() -> None:
    assert Score("accuracy").compute(predictions=[1.0, 0.0], references=[1.0, 1.0]) == {"accuracy": 50.0}


def test_every_metric_has_a_name_for_figures_its_modules_unless_it_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {
        "accuracy": "accuracy (%)",
        "balanced_accuracy": "balanced accuracy (%)",
        "f1": "F1 x 100",
        "f1_of_first": "F1 x 100",
        "macro_f1": "macro F1 x 100",
        "matthews": "Matthews correlation x 100",
        "pearson": "Pearson correlation x 100",
        "spearman": "Spearman correlation x 100",
        "weighted_f1": "weighted F1 x 100",
    }
    assert expected.keys() <= names_in("evaluation/metrics")
    assert {name: metric_of(name).label for name in expected} == expected
    module = SimpleNamespace(METRIC=Metric(min, max))
    monkeypatch.setitem(sys.modules, "supertickets.evaluation.metrics.error_rate", module)
    assert metric_of("error_rate").label == "error rate x 100"
