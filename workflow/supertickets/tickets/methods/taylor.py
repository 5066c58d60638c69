"""Importance by first-order Taylor expansion: how much the loss would change if a unit's weights were zero."""

from __future__ import annotations

import numpy as np

from supertickets.tickets.importance_table import RawScores
from supertickets.tickets.sample import Sample


def score(sample: Sample) -> RawScores:
    """Mean over batches of |sum over a unit's weights of gradient times weight|, dropout off.

    Setting the weights w of a unit to zero changes a batch's loss by -<gradient, w> to first order. Source:
    Molchanov et al., Importance Estimation for Neural Network Pruning, CVPR 2019, with the absolute value for the
    square. The inner products are those of activations, see
    :class:`~supertickets.tickets.gradients.Activity`. The output projection's bias belongs to no head.

    Args:
        sample: its activity.
    """
    seen = sample.activity
    pairs = zip(seen.head_inputs, seen.contexts, strict=True)
    heads = [abs(inputs + contexts).mean(axis=0) for inputs, contexts in pairs]
    blocks = zip(seen.ffn_inputs, seen.ffn_outputs, strict=True)
    return heads, np.array([abs(inputs + outputs).mean() for inputs, outputs in blocks])
