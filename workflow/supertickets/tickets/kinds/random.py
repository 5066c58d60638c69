"""Random tickets keep any units."""

from __future__ import annotations

import numpy as np

from supertickets.encoder.ticket import Ticket
from supertickets.tickets.kinds.winning import keep as keep_highest


def keep(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Prune units at random, without replacement; arguments as of the winning ticket, scores count by shape only.

    One head of each layer, drawn too, stays. Larger counts from an equal generator prune a superset.
    """
    return keep_highest(random.random(head_scores.shape), random.random(ffn_scores.shape), n_heads, n_ffn, random)
