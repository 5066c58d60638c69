"""Random tickets with the winning ticket's layer profile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from supertickets.encoder.ticket import Ticket
from supertickets.tickets.kinds.winning import keep as keep_highest


def keep(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Keep random heads, as many in each layer as the winning ticket keeps.

    The feed-forward blocks are the winning ticket's, so only the choice of heads within a layer differs. The arguments
    are those of the winning ticket.
    """
    profile = keep_highest(head_scores, ffn_scores, n_heads, n_ffn, random)
    order = random.random(head_scores.shape).argsort(axis=1)
    heads = tuple(tuple(sorted(row[: len(kept)].tolist())) for row, kept in zip(order, profile.heads, strict=True))
    return replace(profile, heads=heads)
