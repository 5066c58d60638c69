"""Importance by sensitivity, accumulated as in the published code."""

from __future__ import annotations

import numpy as np

from supertickets.tickets.importance_table import RawScores
from supertickets.tickets.sample import Sample


def score(sample: Sample) -> RawScores:
    """Sensitivity as the published code accumulates it: after every batch the sum so far is added again.

    The published code never clears gradients, so the first of B batches counts B times, the last once. This method is
    for comparison with the published code only. Its batches are those of
    :mod:`~supertickets.tickets.methods.sensitivity`.

    Args:
        sample: the sample; its activity is used.
    """
    weights = np.arange(len(sample.batches), 0, -1)
    weights = weights / weights.sum()
    heads = [weights @ sizes for sizes in sample.activity.context_sizes]
    return heads, np.array([weights @ sizes for sizes in sample.activity.ffn_output_sizes])
