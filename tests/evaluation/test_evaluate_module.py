"""Metrics of the evaluate library."""

from __future__ import annotations

from supertickets.evaluation.evaluate_module import Score


def test_a_metric_is_computed_by_evaluate_without_the_hub() -> None:
    assert Score("accuracy").compute(predictions=[1.0, 0.0], references=[1.0, 1.0]) == {"accuracy": 50.0}
