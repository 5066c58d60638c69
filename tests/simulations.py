"""Runs and differences that are drawn at random, with known effects."""

from __future__ import annotations

import numpy as np
import pytest

from supertickets.evaluation import power, resampling, significance
from supertickets.evaluation.predictions import Outcomes


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use few resamples and few experiments of the power, since simulations repeat all computations many times."""
    for module in (resampling, significance):
        monkeypatch.setattr(module, "RESAMPLES", 150)
    experiments = power._experiments()[:, :128]
    monkeypatch.setattr(power, "_experiments", lambda: experiments)


def crossed(
    random: np.random.Generator, seeds: int, examples: int, by_seed: float, by_example: float, rest: float
) -> np.ndarray:
    """Draw differences with zero mean for each seed and example, the sum of three random effects."""
    parts = (random.normal(size=shape) * spread for shape, spread in (
        ((seeds, 1), by_seed), ((1, examples), by_example), ((seeds, examples), rest)
    ))  # fmt: skip
    return sum(parts)


def outcomes(random: np.random.Generator, labels: np.ndarray, right: float | np.ndarray, seeds: int = 3) -> Outcomes:
    """Simulate runs whose predictions are right with a probability, one for all seeds or one for each."""
    hit = random.random((seeds, len(labels))) < np.broadcast_to(right, seeds)[:, None]
    return Outcomes(labels, np.where((labels == 1) == hit, 1.0, -1.0)[..., None] * [-0.5, 0.5])
