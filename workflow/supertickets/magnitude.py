"""Importance by magnitude: how large a unit's weights are."""

from __future__ import annotations

import numpy as np

from .importance import RawScores
from .sample import Sample
from .unit_weights import sum_by_unit


def magnitude(sample: Sample) -> RawScores:
    """The l2 norm of each unit's weights and biases; no data is looked at."""
    heads, ffn = sum_by_unit(sample.model, lambda parameter: parameter.double() ** 2)
    return [np.sqrt(layer) for layer in heads], np.sqrt(ffn)
