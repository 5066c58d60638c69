"""Importance by magnitude: how large a unit's weights are."""

from __future__ import annotations

import numpy as np

from supertickets.tickets.importance_table import RawScores
from supertickets.tickets.sample import Sample
from supertickets.tickets.unit_weights import sum_by_unit


def score(sample: Sample) -> RawScores:
    """The l2 norm of each unit's weights and biases; no data is looked at."""
    heads, ffn = sum_by_unit(sample.model, lambda parameter: parameter.double() ** 2)
    return [np.sqrt(layer) for layer in heads], np.sqrt(ffn)
