"""Importance by sensitivity: the change of the loss as a head or feed-forward block is scaled down."""

from __future__ import annotations

import numpy as np

from supertickets.tickets.importance_table import RawScores
from supertickets.tickets.sample import Sample


def score(sample: Sample) -> RawScores:
    """Expected sensitivity of every unit: the mean over batches of the sum over tokens of |<gradient, activation>|.

    A mask variable with the value one multiplies a head's context vector (before the output projection) or a
    feed-forward block's output (before the residual add). The derivative of the batch's mean loss by the mask variable
    of a token is the inner product of gradient and activation at that token. Its absolute value is summed over the
    tokens of the batch and averaged over batches. Dropout is off. Source: Liang et al., ACL 2021, and its published
    code, except that gradients do not accumulate from batch to batch.

    Args:
        sample: the sample; its activity is used.
    """
    heads = [sizes.mean(axis=0) for sizes in sample.activity.context_sizes]
    return heads, np.array([sizes.mean() for sizes in sample.activity.ffn_output_sizes])
