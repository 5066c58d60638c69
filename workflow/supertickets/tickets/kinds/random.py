"""Random tickets keep units drawn at random."""

from __future__ import annotations

import numpy as np

from supertickets.encoder.ticket import Ticket
from supertickets.tickets.kinds.winning import keep as keep_highest


def keep(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Prune units drawn at random, without replacement.

    The arguments are those of the winning ticket; only the shapes of the scores are used. One randomly drawn head of
    each layer stays. With an equal generator, larger counts prune a superset.
    """
    return keep_highest(random.random(head_scores.shape), random.random(ffn_scores.shape), n_heads, n_ffn, random)
