"""Bias and variance, compared with their definitions and with simulations of known parameters."""

from __future__ import annotations

import numpy as np

from supertickets.evaluation.decompose import parts_of, squared, zero_one
from supertickets.evaluation.predictions import Outcomes


def test_squared_loss_is_bias_plus_variance_without_the_bias_of_few_runs() -> None:
    random = np.random.default_rng(0)
    truth, target, spread = np.array([0.3, -1.0]), np.array([0.5, 0.5]), np.array([0.2, 0.7])
    parts = np.array(
        [
            [part[0] for part in squared(truth + random.normal(size=(3, 1, 2)) * spread, target[None])]
            for _ in range(20_000)
        ]
    )
    np.testing.assert_allclose(parts[:, 0], parts[:, 1] + parts[:, 2])  # exact in every repetition
    bias, variance = ((truth - target) ** 2).sum(), (spread**2).sum()
    np.testing.assert_allclose(parts.mean(0), [bias + variance, bias, variance], rtol=0.02)


def test_zero_one_loss_by_hand() -> None:
    predicted = np.array([[0, 1, 1], [0, 1, 0], [1, 1, 0]])
    error, bias, variance = zero_one(predicted, np.array([0, 0, 1]))
    np.testing.assert_allclose(error, [1 / 3, 1, 2 / 3])
    np.testing.assert_allclose(bias, [0, 1, 1])  # the main predictions of the examples are 0, 1, 0
    np.testing.assert_allclose(variance, [1 / 3, 0, -1 / 3])  # disagreement with a wrong prediction helps


def test_the_losses_are_those_of_the_task() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(4, 10, 3)).astype(np.float32)
    labels = random.integers(0, 3, 10).astype(float)
    parts = dict(parts_of(Outcomes(labels, logits)))
    assert list(parts) == ["Brier score", "zero-one loss"]
    weights = np.exp(logits.astype(float))
    probabilities = weights / weights.sum(-1, keepdims=True)
    brier = ((probabilities - np.eye(3)[labels.astype(int)]) ** 2).sum(-1).mean(0)
    np.testing.assert_allclose(parts["Brier score"][0], brier)
    np.testing.assert_allclose(parts["zero-one loss"][0], (logits.argmax(-1) != labels).mean(0))
    values = random.normal(size=(4, 10, 1))
    regression = dict(parts_of(Outcomes(labels, values)))
    np.testing.assert_allclose(regression["squared error"][0], ((values[..., 0] - labels) ** 2).mean(0))
