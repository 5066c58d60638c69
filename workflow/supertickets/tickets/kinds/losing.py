"""Losing tickets keep the units with the lowest scores."""

from __future__ import annotations

import numpy as np

from supertickets.encoder.ticket import Ticket
from supertickets.tickets.kinds.winning import keep as keep_highest


def keep(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Prune the units with the highest scores, except the worst head of each layer.

    The arguments are those of the winning ticket.
    """
    return keep_highest(-head_scores, -ffn_scores, n_heads, n_ffn, random)
