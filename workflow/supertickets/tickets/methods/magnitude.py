"""Importance by magnitude: the size of a unit's weights."""

from __future__ import annotations

import numpy as np

from supertickets.tickets.importance_table import RawScores
from supertickets.tickets.sample import Sample
from supertickets.tickets.unit_weights import sum_by_unit


def score(sample: Sample) -> RawScores:
    """The l2 norm of each unit's weights and biases, independent of data."""
    heads, ffn = sum_by_unit(sample.model, lambda parameter: parameter.double() ** 2)
    return [np.sqrt(layer) for layer in heads], np.sqrt(ffn)
