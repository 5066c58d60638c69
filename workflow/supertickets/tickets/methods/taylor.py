"""Importance by first-order Taylor expansion: the change of the loss if a unit's weights were zero."""

from __future__ import annotations

import numpy as np

from supertickets.tickets.importance_table import RawScores
from supertickets.tickets.sample import Sample


def score(sample: Sample) -> RawScores:
    """Mean over batches of |sum over a unit's weights of gradient times weight|, with dropout off.

    Setting the weights w of a unit to zero changes a batch's loss by -<gradient, w> to first order. Source:
    Molchanov et al., Importance Estimation for Neural Network Pruning, CVPR 2019, with the absolute value
    instead of the square. The inner products are computed from activations, see
    :class:`~supertickets.tickets.gradients.Activity`. The output projection's bias does not belong to any head.

    Args:
        sample: the sample; its activity is used.
    """
    activity = sample.activity
    pairs = zip(activity.head_inputs, activity.contexts, strict=True)
    heads = [abs(inputs + contexts).mean(axis=0) for inputs, contexts in pairs]
    blocks = zip(activity.ffn_inputs, activity.ffn_outputs, strict=True)
    return heads, np.array([abs(inputs + outputs).mean() for inputs, outputs in blocks])
