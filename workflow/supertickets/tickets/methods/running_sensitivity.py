"""Importance by sensitivity, summed up as the published code does."""

from __future__ import annotations

import numpy as np

from supertickets.tickets.importance_table import RawScores
from supertickets.tickets.sample import Sample


def score(sample: Sample) -> RawScores:
    """Sensitivity as the published code sums it up: after every batch the sum so far is added once more.

    Gradients are never cleared there, so the first of B batches counts B times, the last once. For comparison with the
    published code alone; batches are those of :mod:`~supertickets.tickets.methods.sensitivity`.

    Args:
        sample: its activity.
    """
    weights = np.arange(len(sample.batches), 0, -1)
    weights = weights / weights.sum()
    heads = [weights @ sizes for sizes in sample.activity.context_sizes]
    return heads, np.array([weights @ sizes for sizes in sample.activity.ffn_output_sizes])
